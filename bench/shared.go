package bench

import (
	"context"
	"fmt"
	"os"
	"slices"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

// shared is the base of the strategies whose peer is a worker of a pool that answers tasks.
type shared struct {
	plain
	pool *pool.Pool
	head asked
	sent int64 // bytes copied into shared memory
}

func (s *shared) copied() int64 { return s.sent }

// heard is the answer in a task's result.
func (s *shared) heard(ctx context.Context, out touchOut, err error) (uint64, error) {
	switch {
	case err != nil && ctx.Err() != nil:
		return 0, context.Cause(ctx)
	case err != nil:
		return 0, err
	case s.worker == 0:
		s.worker = int(out.PID)
	case s.worker != int(out.PID): // the pool replaces a worker that died idle
		return 0, fmt.Errorf("its worker, process %d, died and was replaced by %d: %w", s.worker, out.PID, pool.ErrWorkerDied)
	}
	return out.Value, nil
}

// greet learns the worker's pid.
func (s *shared) greet(ctx context.Context) error {
	out, err := touchViews.Call(ctx, s.pool, viewsIn{asked: asked{Payload: -1}})
	_, err = s.heard(ctx, out, err)
	if err == nil && s.worker == os.Getpid() {
		err = fmt.Errorf("its worker is this process")
	}
	return err
}

func newShared(ctx context.Context, p *pool.Pool, what *payload, strategy string, touch Touch) (carrier, error) {
	s := shared{plain: plain{name: strategy}, pool: p, head: asked{Payload: what.number(), Touch: int32(slices.Index(touches, touch))}}
	if err := s.greet(ctx); err != nil {
		return nil, err
	}
	switch strategy {
	case valued:
		return &byValue{s}, nil
	case sharedOnce:
		return &onceShared{shared: s}, nil
	case shmFresh:
		return &fresh{viewer: viewer{shared: s}}, nil
	case shmCopy:
		return &copied{viewer: viewer{shared: s}}, nil
	default:
		return &resident{viewer: viewer{shared: s}}, nil
	}
}

// A viewer hands the slices of a value over as views.
type viewer struct {
	shared
	parts []buffer // of the value
	made  []madeArray
	set   viewSet // unless the value is one slice
}

// mostViews is how many arrays fit into a task's message, and some more bytes.
const mostViews = 100

func (s *viewer) load(in *instance) error {
	s.parts, s.made = buffers(in.p.columns, in.v), nil
	if len(s.parts) > mostViews {
		return unfitError(fmt.Sprintf("%d slices, and a task's message has room for %d views", len(s.parts), mostViews))
	}
	s.set = viewSet{counts: lengths(in.p.columns, in.v)}
	for _, b := range s.parts {
		kind := byte(b.dtype)
		if b.isNil {
			kind = 0
		}
		s.set.meta = append(s.set.meta, kind)
	}
	return s.plain.load(in)
}

// send hands over what was made and waits for the answer.
func (s *viewer) send(ctx context.Context, seq uint64) (uint64, error) {
	head := s.head
	head.Seq = seq
	if s.in.p.dtype != 0 {
		out, err := viewPeers[s.in.p.dtype].call(ctx, s.pool, s.made[0], head)
		return s.heard(ctx, out, err)
	}
	s.set.views = s.set.views[:0]
	for _, m := range s.made {
		s.set.views = append(s.set.views, m.view())
	}
	out, err := touchViews.Call(ctx, s.pool, viewsIn{s.set, head})
	return s.heard(ctx, out, err)
}

// put copies the value into an arena.
func (s *viewer) put(a *shm.Arena) error {
	s.made = s.made[:0]
	for _, b := range s.parts {
		m, err := viewPeers[b.dtype].put(a, b.bytes)
		if err != nil {
			s.release()
			return err
		}
		s.made = append(s.made, m)
		s.sent += int64(len(b.bytes))
	}
	return nil
}

func (s *viewer) release() {
	for _, m := range s.made {
		m.Release()
	}
	s.made = s.made[:0]
}

// newArena is an arena for the value.
func (s *viewer) newArena() *shm.Arena {
	return s.pool.Run().NewArena(&shm.ArenaOptions{SegmentBytes: s.room()})
}

// blockBytes is what the blocks of a segment are multiples of.
const blockBytes = 64

// room is how many bytes the slices take, one behind the other.
func (s *viewer) room() (n int64) {
	for _, b := range s.parts {
		n += (int64(len(b.bytes)) + blockBytes - 1) &^ (blockBytes - 1)
	}
	return max(n, blockBytes)
}

// A fresh hands each value over in a segment of its own.
type fresh struct{ viewer }

func (f *fresh) handoff(ctx context.Context, k int) (int, error) { return f.repeat(ctx, k, f) }

func (f *fresh) ask(ctx context.Context, seq uint64) (uint64, error) {
	seg, err := f.pool.Run().Create(f.room())
	if err != nil {
		return 0, err
	}
	var v uint64
	if err = f.fill(seg); err == nil {
		v, err = f.send(ctx, seq)
	}
	f.release()
	if closed := seg.Close(); err == nil {
		err = closed
	}
	return v, err
}

// fill copies the slices into a segment.
func (f *fresh) fill(seg *shm.Segment) error {
	offset := int64(0)
	for _, b := range f.parts {
		shape, err := shm.ShapeOf(b.len())
		if err != nil {
			return err
		}
		m, err := viewPeers[b.dtype].bind(seg, shm.Ref{Segment: seg.Name(), Offset: offset, DType: b.dtype, Shape: shape})
		if err != nil {
			return err
		}
		f.made = append(f.made, m)
		f.sent += int64(copy(m.Bytes(), b.bytes))
		offset += (int64(len(b.bytes)) + blockBytes - 1) &^ (blockBytes - 1)
	}
	return nil
}

// A copied puts each value into a warm arena.
type copied struct {
	viewer
	arena *shm.Arena
}

func (c *copied) load(in *instance) error {
	if err := c.viewer.load(in); err != nil {
		return err
	}
	c.arena = c.newArena()
	return nil
}

func (c *copied) handoff(ctx context.Context, k int) (int, error) { return c.repeat(ctx, k, c) }

func (c *copied) ask(ctx context.Context, seq uint64) (uint64, error) {
	if err := c.put(c.arena); err != nil {
		return 0, err
	}
	v, err := c.send(ctx, seq)
	c.release()
	return v, err
}

func (c *copied) unload() error { return c.arena.Close() }

// A resident hands over a value that is in an arena already, and changes there.
type resident struct {
	viewer
	arena *shm.Arena
	own   any // *T over the arena
}

func (r *resident) load(in *instance) error {
	if err := r.viewer.load(in); err != nil {
		return err
	}
	in.stamps.set(0)
	r.arena = r.newArena()
	if err := r.put(r.arena); err != nil {
		return err
	}
	r.sent = 0 // not of a handoff
	there := make([]buffer, len(r.made))
	for i, m := range r.made {
		there[i] = buffer{bytes: m.Bytes(), isNil: r.parts[i].isNil}
	}
	var err error
	if r.own, err = assembled(in.p.typ, in.p.columns, r.set.counts, there); err == nil {
		own := stampsOf(r.own, in.touch)
		r.stamps = &own
	}
	return err
}

func (r *resident) handoff(ctx context.Context, k int) (int, error) { return r.repeat(ctx, k, r) }

func (r *resident) ask(ctx context.Context, seq uint64) (uint64, error) { return r.send(ctx, seq) }

func (r *resident) unload() error {
	r.release()
	return r.arena.Close()
}
