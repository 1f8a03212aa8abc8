package bench

import (
	"context"
	"fmt"
	"os"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

// shared is the base of the shm strategies: it asks a worker over a pool.
type shared struct {
	plain
	pool *pool.Pool
	ends bool
	sent int64 // bytes copied into shared memory
}

func (s *shared) copied() int64 { return s.sent }

// ask hands a view over by its Ref and waits for the answer.
func (s *shared) ask(ctx context.Context, x shm.View[float64]) (float64, error) {
	out, err := touchShared.Call(ctx, s.pool, touchIn{x, s.ends})
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

// newShared learns the worker's pid by asking for an array without elements.
func newShared(ctx context.Context, p *pool.Pool, strategy string, touch Touch) (carrier, error) {
	s := shared{plain: plain{name: strategy}, pool: p, ends: touch == TouchEnds}
	if _, err := s.ask(ctx, shm.View[float64]{}); err != nil {
		return nil, err
	}
	if s.worker == os.Getpid() {
		return nil, fmt.Errorf("its worker is this process")
	}
	switch strategy {
	case shmFresh:
		return &fresh{shared: s}, nil
	case shmCopy:
		return &copied{shared: s}, nil
	default:
		return &resident{shared: s}, nil
	}
}

// newArena is an arena for one array of the given size.
func (s *shared) newArena(bytes int) *shm.Arena {
	return s.pool.Run().NewArena(&shm.ArenaOptions{SegmentBytes: int64(bytes)})
}

// A fresh hands each array over in a segment of its own.
type fresh struct {
	shared
	x     []float64
	shape shm.Shape
}

func (f *fresh) load(x []float64) (_ []float64, err error) {
	f.x = x
	f.shape, err = shm.ShapeOf(len(x))
	return x, err
}

func (f *fresh) handoff(ctx context.Context) (float64, error) {
	seg, err := f.pool.Run().Create(int64(len(f.x)) * elemBytes)
	if err != nil {
		return 0, err
	}
	arr, err := shm.BindArray[float64](seg, shm.Ref{Segment: seg.Name(), DType: shm.Float64, Shape: f.shape})
	if err != nil {
		seg.Close()
		return 0, err
	}
	copy(arr.Data(), f.x)
	f.sent += int64(len(f.x)) * elemBytes
	v, err := f.ask(ctx, arr.View())
	arr.Release()
	if closed := seg.Close(); err == nil {
		err = closed
	}
	return v, err
}

// A copied puts each array into a warm arena.
type copied struct {
	shared
	arena *shm.Arena
	x     []float64
}

func (c *copied) load(x []float64) ([]float64, error) {
	c.arena, c.x = c.newArena(len(x)*elemBytes), x
	return x, nil
}

func (c *copied) handoff(ctx context.Context) (float64, error) {
	arr, err := shm.PutCopy(c.arena, c.x)
	if err != nil {
		return 0, err
	}
	c.sent += int64(len(c.x)) * elemBytes
	v, err := c.ask(ctx, arr.View())
	arr.Release()
	return v, err
}

func (c *copied) unload() error { return c.arena.Close() }

// A resident hands over an array that is in an arena already.
type resident struct {
	shared
	arena *shm.Arena
	arr   shm.Array[float64]
}

func (r *resident) load(x []float64) (_ []float64, err error) {
	r.arena = r.newArena(len(x) * elemBytes)
	if r.arr, err = shm.PutCopy(r.arena, x); err != nil {
		return nil, err
	}
	return r.arr.Data(), nil
}

func (r *resident) handoff(ctx context.Context) (float64, error) { return r.ask(ctx, r.arr.View()) }

func (r *resident) unload() error {
	r.arr.Release()
	return r.arena.Close()
}
