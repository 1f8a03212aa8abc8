package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

type holdIn struct {
	Stream streamIn
	Shared bool // the array is X, else it comes over the stream
	X      shm.View[float64]
}

// holdArray adds an array up, answers over its stream, and holds the array until
// that ends.
var holdArray = pool.Func("bench.hold", func(t *pool.Task, in holdIn) (int64, error) {
	c, err := dial(in.Stream.Strategy, in.Stream.Dir)
	if err != nil {
		return 0, err
	}
	err = hold(t.Context(), c, in)
	return 0, errors.Join(err, c.Close())
})

func hold(ctx context.Context, c conn, in holdIn) (err error) {
	defer interrupt(ctx, c)()
	p, x := arrays[shm.Float64], in.X.Data()
	if !in.Shared {
		_, v, err := newFormat(p, in.Stream.Strategy, c, in.Stream.MaxBytes).read()
		if err != nil {
			return err
		}
		x = *v.(*[]float64)
	}
	v := checksum(rawBytes(&x))
	settle()
	if err := newFormat(p, in.Stream.Strategy, c, in.Stream.MaxBytes).writeAnswer(v); err != nil {
		return err
	}
	var end [1]byte
	if _, err = c.Read(end[:]); err == io.EOF {
		err = nil
	}
	runtime.KeepAlive(x)
	return err
}

// settle gives back what nobody uses any more: twice, as a sync.Pool keeps things
// over one collection.
func settle() {
	runtime.GC()
	debug.FreeOSMemory()
}

// A holding is an array that all workers of a pool have been handed and hold.
type holding struct {
	streams []*stream
	release func() error // the array
}

// handAll hands an array of the given size to n workers, by a Ref or by gob.
func handAll(ctx context.Context, p *pool.Pool, dir string, n int, shared bool, bytes int64) (h *holding, err error) {
	h = &holding{release: func() error { return nil }}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.end(true))
		}
	}()
	var view shm.View[float64]
	var x []float64
	if shared {
		arena := p.Run().NewArena(&shm.ArenaOptions{SegmentBytes: bytes})
		arr, err := shm.Make[float64](arena, int(bytes/elemBytes))
		if err != nil {
			return h, errors.Join(err, arena.Close())
		}
		h.release = func() error { arr.Release(); return arena.Close() }
		view, x = arr.View(), arr.Data()
	} else {
		x = make([]float64, bytes/elemBytes)
		h.release = func() error { runtime.KeepAlive(x); return nil }
	}
	fillEntropic(rawBytes(&x), shm.Float64)
	truth := checksum(rawBytes(&x))
	what := arrays[shm.Float64]
	for i := range n {
		in := streamIn{what.registered(), gobFresh, filepath.Join(dir, strconv.Itoa(i)), string(TouchSum), bytes}
		if err := os.MkdirAll(in.Dir, 0o700); err != nil {
			return h, err
		}
		s, err := connect(ctx, what, in, func() (pool.Future[int64], error) {
			return holdArray.Submit(ctx, p, holdIn{in, shared, view})
		})
		if err != nil {
			return h, err
		}
		h.streams = append(h.streams, s)
		v, err := h.hand(ctx, s, x, shared)
		if err == nil && v != truth {
			err = ErrAnswer
		}
		if err = errors.Join(err, os.RemoveAll(in.Dir)); err != nil {
			return h, err
		}
		s.format = nil // with its buffers
	}
	pids := map[int]bool{}
	for _, s := range h.streams {
		pids[s.pid()] = true
	}
	if len(pids) != n || pids[os.Getpid()] {
		return h, fmt.Errorf("%d workers hold the array, expected %d", len(pids), n)
	}
	settle()
	return h, nil
}

func (h *holding) hand(ctx context.Context, s *stream, x []float64, shared bool) (v uint64, err error) {
	defer s.watch(ctx)()
	if !shared {
		err = s.format.write(0, &x)
	}
	if err == nil {
		v, err = s.format.readAnswer()
	}
	if err != nil {
		return 0, s.why(ctx, err)
	}
	return v, nil
}

// end lets the workers go and waits for them. What they say after a failure is not
// heard: they may be dead.
func (h *holding) end(failed bool) (err error) {
	for _, s := range h.streams {
		err = errors.Join(err, s.close())
	}
	for _, s := range h.streams {
		if ended := s.wait(); !failed {
			err = errors.Join(err, ended)
		}
	}
	return errors.Join(err, h.release())
}

// allReady waits until n workers have started.
func allReady(ctx context.Context, p *pool.Pool, n int) (pids []int, err error) {
	for {
		pids = pids[:0]
		for _, w := range p.Stats().Workers {
			if w.State == pool.StateIdle || w.State == pool.StateRunning {
				pids = append(pids, w.PID)
			}
		}
		if len(pids) == n {
			return slices.Clone(pids), nil
		}
		select {
		case <-p.Done():
			return nil, pool.ErrClosed
		case <-ctx.Done():
			return nil, fmt.Errorf("%d of %d workers are ready: %w", len(pids), n, context.Cause(ctx))
		case <-time.After(2 * time.Millisecond):
		}
	}
}
