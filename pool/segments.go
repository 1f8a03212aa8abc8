package pool

import (
	"fmt"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// An announced segment has a number in the messages of this pool.
type announced struct {
	id  uint32
	seg *shm.Segment
	use wire.SegmentUse // useResult: one worker's; as an argument it is an input
}

// segments are the pool's arenas, and the numbers that messages give to segments.
// The arenas lock themselves; the rest is guarded by Pool.mu.
type segments struct {
	run             *shm.Run
	inputs, outputs *shm.Arena
	numbered        map[*shm.Segment]*announced
	byID            map[uint32]*announced
	last            uint32 // number
	results         struct {
		segs  int
		bytes int64
	} // of workers' arenas
}

// maxSegments bounds the segments for arguments that a pool has announced and
// not yet retired, and those for results of one incarnation: each may be a
// mapping in every worker, of which Linux allows 65530 by default.
const maxSegments = 4096

// wire pins an argument for the task and numbers its segment.
func (p *Pool) wire(t *task, field string, b shm.Binder) (shm.WireRef, error) {
	pin, err := b.Pin()
	if err != nil {
		return shm.WireRef{}, fmt.Errorf("%s: %w", field, err)
	}
	t.pins = append(t.pins, pin)
	ref := b.Ref()
	ref.Segment = ""
	seg := pin.Segment()
	if seg == nil {
		return shm.WireRef{Ref: ref}, nil
	}
	if b.Writable() && !p.ownsOutput(seg) {
		return shm.WireRef{}, fmt.Errorf("%s: an Array argument must be made in Pool.Outputs(): hand others over as a View", field)
	}
	a, err := p.number(seg)
	if err != nil {
		return shm.WireRef{}, err
	}
	t.segs = append(t.segs, a)
	t.bytes += ref.Bytes()
	return shm.WireRef{ID: a.id, Ref: ref}, nil
}

// ownsOutput reports whether Array arguments may lie in the segment.
func (p *Pool) ownsOutput(seg *shm.Segment) bool {
	return p.segments.outputs.Owns(seg)
}

// number gives a pinned segment its number, once.
func (p *Pool) number(seg *shm.Segment) (*announced, error) {
	p.mu.Lock()
	if a := p.segments.numbered[seg]; a != nil {
		p.mu.Unlock()
		return a, nil
	}
	if len(p.segments.numbered)-p.segments.results.segs >= maxSegments {
		p.mu.Unlock()
		return nil, fmt.Errorf("more than %d segments in use: close some, or put the arrays into an arena", maxSegments)
	}
	if seg.Anonymous() && seg.File() == nil {
		p.mu.Unlock()
		return nil, fmt.Errorf("segment %q is a memfd that was attached here by its descriptor: it has no name by which a worker could map it; copy the array into Pool.Arena", seg.Name())
	}
	use := wire.UseInput
	if p.ownsOutput(seg) {
		use = wire.UseOutput
	}
	a := p.numberLocked(seg, use)
	for _, w := range p.slots.all {
		if w.standby && w.open() {
			w.foretellLocked(a)
		}
	}
	p.mu.Unlock()
	seg.OnUnmap(func() { p.retire(a) })
	return a, nil
}

func (p *Pool) numberLocked(seg *shm.Segment, use wire.SegmentUse) *announced {
	p.segments.last++
	a := &announced{id: p.segments.last, seg: seg, use: use}
	p.segments.numbered[seg], p.segments.byID[a.id] = a, a
	return a
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
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.segments.numbered, a.seg)
	delete(p.segments.byID, a.id)
	if a.use == wire.UseResult {
		p.segments.results.segs--
		p.segments.results.bytes -= a.seg.Size()
	}
	for _, w := range p.slots.all {
		if w.link != nil && w.knows[a.id] {
			delete(w.knows, a.id)
			w.link.Send(wire.AppendRetire(nil, a.id), -1)
		}
	}
}
