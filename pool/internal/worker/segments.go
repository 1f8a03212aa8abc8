package worker

import (
	"fmt"
	"io"
	"sync"
	"time"

	"example.com/handoff/shm"
)

// announceTime bounds the wait for the announcement of a segment: it is sent
// before the task, over the socket.
const announceTime = 10 * time.Second

// segments are those that were announced. Who reads messages adds and removes them, who
// runs tasks finds them.
type segments struct {
	arrived chan struct{}   // holds a token after an announcement
	gone    <-chan struct{} // closed when there will be none any more

	mu   sync.Mutex // guards byID
	byID map[uint32]Mapping
}

func (s *segments) init(gone <-chan struct{}) {
	s.arrived, s.gone, s.byID = make(chan struct{}, 1), gone, map[uint32]Mapping{}
}

func (s *segments) add(id uint32, m Mapping) {
	s.mu.Lock()
	s.byID[id] = m
	s.mu.Unlock()
	select {
	case s.arrived <- struct{}{}:
	default:
	}
}

func (s *segments) remove(id uint32) Mapping {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.byID[id]
	delete(s.byID, id)
	return m
}

// find waits for the announcement of a segment.
func (s *segments) find(id uint32) (Mapping, error) {
	var late <-chan time.Time
	for {
		s.mu.Lock()
		m, ok := s.byID[id]
		s.mu.Unlock()
		if ok {
			return m, m.Err
		}
		if late == nil {
			timer := time.NewTimer(announceTime)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-s.arrived:
		case <-late:
			return m, fmt.Errorf("segment %d was not announced", id)
		case <-s.gone:
			return m, io.EOF
		}
	}
}

// bind binds a View or Array to the memory that a wire ref names.
func (s *segments) bind(b shm.Binder, w shm.WireRef) error {
	if w.ID == 0 { // it has no elements
		return shm.BindTo(b, nil, w.Ref, nil)
	}
	m, err := s.find(w.ID)
	if err != nil {
		return err
	}
	seg := m.Views
	if shm.KindOf(b) == shm.KindArray {
		seg = m.Segment
	}
	w.Ref.Segment = seg.Name()
	return shm.BindTo(b, seg, w.Ref, nil)
}
