package pool

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// An announced segment has a number in the messages of this pool.
type announced struct {
	id  uint32
	seg *shm.Segment
	use wire.SegmentUse // UseResult: one worker's; as an argument it is an input
}

// segments are the pool's arenas, and the numbers that messages give to segments.
// What is below mu is guarded by it; Pool.mu may be held when it is taken, and is not
// taken while it is held.
type segments struct {
	run             *shm.Run
	anonymous       bool
	inputs, outputs *shm.Arena

	mu       sync.Mutex
	numbered map[*shm.Segment]*announced
	byID     map[uint32]*announced
	last     uint32 // number
	results  struct {
		count int
		bytes int64
	} // of workers' arenas
}

// maxSegments bounds the segments for arguments that a pool has announced and
// not yet retired, and those for results of one incarnation: each may be a
// mapping in every worker, of which Linux allows 65530 by default.
const maxSegments = 4096

// create makes a segment that workers map as mode says.
func (s *segments) create(bytes int64, mode shm.Mode) (*shm.Segment, error) {
	if s.anonymous {
		return s.run.CreateAnonymous(bytes, mode)
	}
	return s.run.Create(bytes)
}

// trim gives back what the arenas have and do not use, and returns how many bytes that was.
func (s *segments) trim() int64 { return s.inputs.Trim() + s.outputs.Trim() }

// close gives up the arenas and the run.
func (s *segments) close() error {
	return errors.Join(s.inputs.Close(), s.outputs.Close(), s.run.Close())
}

// number gives a pinned segment its number, once; fresh says that it is this time.
func (s *segments) number(seg *shm.Segment) (a *announced, fresh bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.numbered[seg]; a != nil {
		return a, false, nil
	}
	if len(s.numbered)-s.results.count >= maxSegments {
		return nil, false, fmt.Errorf("more than %d segments in use: close some, or put the arrays into an arena", maxSegments)
	}
	if seg.Anonymous() && seg.File() == nil {
		return nil, false, fmt.Errorf("segment %q is a memfd that was attached here by its descriptor: it has no name by which a worker could map it; copy the array into Pool.Arena", seg.Name())
	}
	use := wire.UseInput
	if s.outputs.Owns(seg) {
		use = wire.UseOutput
	}
	return s.addLocked(seg, use), true, nil
}

// numberResult gives a segment of a worker's arena its number.
func (s *segments) numberResult(seg *shm.Segment) *announced {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.results.count++
	s.results.bytes += seg.Size()
	return s.addLocked(seg, wire.UseResult)
}

func (s *segments) addLocked(seg *shm.Segment, use wire.SegmentUse) *announced {
	s.last++
	a := &announced{id: s.last, seg: seg, use: use}
	s.numbered[seg], s.byID[a.id] = a, a
	return a
}

// remove takes the number of a segment that is unmapped away.
func (s *segments) remove(a *announced) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.numbered, a.seg)
	delete(s.byID, a.id)
	if a.use == wire.UseResult {
		s.results.count--
		s.results.bytes -= a.seg.Size()
	}
}

// arguments are the segments that tasks may name, but for anonymous ones.
func (s *segments) arguments() (all []*announced) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.numbered {
		if a.preannounced() {
			all = append(all, a)
		}
	}
	return all
}

// preannounced reports whether spares hear of it before a task needs it. An anonymous
// segment may be gone already, and waits.
func (a *announced) preannounced() bool { return a.use != wire.UseResult && !a.seg.Anonymous() }

// find is the segment of a number; nil if it is gone.
func (s *segments) find(id uint32) *shm.Segment {
	s.mu.Lock()
	defer s.mu.Unlock()
	if a := s.byID[id]; a != nil {
		return a.seg
	}
	return nil
}

// resultBytes is the size of workers' result arenas.
func (s *segments) resultBytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.results.bytes
}

// wire pins an argument and numbers its segment.
func (p *Pool) wire(a *arguments, field string, b shm.Binder) (shm.WireRef, error) {
	pin, err := b.Pin()
	if err != nil {
		return shm.WireRef{}, fmt.Errorf("%s: %w", field, err)
	}
	a.pins = append(a.pins, pin)
	ref := b.Ref()
	ref.Segment = ""
	seg := pin.Segment()
	if seg == nil {
		return shm.WireRef{Ref: ref}, nil
	}
	if shm.KindOf(b) == shm.KindArray && !p.segments.outputs.Owns(seg) {
		return shm.WireRef{}, fmt.Errorf("%s: an Array argument must be made in Pool.Outputs(): hand others over as a View", field)
	}
	numbered, fresh, err := p.segments.number(seg)
	if err != nil {
		return shm.WireRef{}, err
	}
	if fresh {
		p.preannounce(numbered)
		seg.OnUnmap(func() { p.retire(numbered) })
	}
	a.segs = append(a.segs, numbered)
	return shm.WireRef{ID: numbered.id, Ref: ref}, nil
}

// preannounce tells spares of a segment.
func (p *Pool) preannounce(a *announced) {
	if !a.preannounced() {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.slots.all {
		if w.standby && w.open() {
			w.preannounceLocked(a)
		}
	}
}

// mostPreannounced bounds what a spare is told of before it is needed.
const mostPreannounced = 64

// preannounceLocked announces a segment of arguments to a spare, so that it has it
// mapped when it is given a task.
func (w *worker) preannounceLocked(a *announced) {
	if len(w.knows) < mostPreannounced && !w.knows[a.id] {
		w.announceLocked(a, a.use)
	}
}

// announceLocked tells w of a segment and what it is to it.
func (w *worker) announceLocked(a *announced, use wire.SegmentUse) error {
	w.knows[a.id] = true
	fd := -1
	if a.seg.Anonymous() {
		fd = int(a.seg.File().Fd()) // the segment is pinned, or the worker's own
	}
	return w.link.Send(wire.Announce{ID: a.id, Use: use, Size: a.seg.Size(), Name: a.seg.Name()}.Append(nil), fd)
}

// retire tells every worker that knows the segment to unmap it.
func (p *Pool) retire(a *announced) {
	p.segments.remove(a)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.slots.all {
		if w.link != nil && w.knows[a.id] {
			delete(w.knows, a.id)
			w.link.Send(wire.AppendRetire(nil, a.id), -1)
		}
	}
}

// create makes a segment of an arena: of by's results, or of nobody's. What other
// arenas have and do not use goes first where there is no room.
func (p *Pool) create(bytes int64, workers shm.Mode, by *worker) (*shm.Segment, error) {
	var full *shm.SpaceError
	seg, err := p.segments.create(bytes, workers)
	if !errors.As(err, &full) {
		return seg, err
	}
	p.large.copyOut(nil)
	if p.segments.trim() > 0 {
		if seg, err = p.segments.create(bytes, workers); !errors.As(err, &full) {
			return seg, err
		}
	}
	if !p.trimWorkers(by) {
		return seg, err
	}
	for until := time.Now().Add(trimTime); errors.As(err, &full) && time.Now().Before(until); {
		time.Sleep(trimTime / 20)
		seg, err = p.segments.create(bytes, workers)
	}
	return seg, err
}

// trimTime bounds the wait for workers to give back what they do not use.
const trimTime = 100 * time.Millisecond

// trimWorkers asks all workers but one, who does so by itself, and reports
// whether there is anything that they could give back.
func (p *Pool) trimWorkers(but *worker) bool {
	if p.segments.resultBytes() == 0 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.slots.all {
		if w.link != nil && w != but {
			w.results.flush() // what was released is not known to be, perhaps
			w.link.Send([]byte{wire.MsgTrim}, -1)
		}
	}
	return true
}
