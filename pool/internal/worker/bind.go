package worker

import (
	"fmt"
	"io"
	"time"

	"example.com/handoff/shm"
)

// An argument is a View or Array of the running task.
type argument struct {
	shm.Binder
	field string
	mem   []byte
}

func (c *Call) Bind(field string, b shm.Binder, w shm.WireRef) error {
	if err := c.server.bindTo(b, w); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	c.server.bound = append(c.server.bound, argument{b, field, b.Bytes()})
	step("task-bound")
	return nil
}

func (c *Call) Ref(field string, b shm.Binder) (shm.WireRef, error) {
	w, err := c.server.results.wire(b)
	if err != nil {
		err = fmt.Errorf("%s: %w", field, err)
	}
	return w, err
}

// announceTime bounds the wait for the announcement of a segment: it is sent
// before the task, over the socket.
const announceTime = 10 * time.Second

// segment is the announced segment of a number.
func (s *server) segment(id uint32) (Mapping, error) {
	var late <-chan time.Time
	for {
		s.mu.Lock()
		a, ok := s.segs[id]
		s.mu.Unlock()
		if ok {
			return a, a.Err
		}
		if late == nil {
			timer := time.NewTimer(announceTime)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-s.arrived:
		case <-late:
			return a, fmt.Errorf("segment %d was not announced", id)
		case <-s.results.gone:
			return a, io.EOF
		}
	}
}

// bindTo resolves a wire ref.
func (s *server) bindTo(b shm.Binder, w shm.WireRef) error {
	if w.ID == 0 {
		return shm.BindTo(b, nil, w.Ref, nil)
	}
	a, err := s.segment(w.ID)
	if err != nil {
		return err
	}
	seg := a.Views
	if shm.KindOf(b) == shm.KindArray {
		seg = a.Segment
	}
	w.Ref.Segment = seg.Name()
	return shm.BindTo(b, seg, w.Ref, nil)
}
