package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"example.com/handoff/bench/stat"
	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

const (
	warmBytes  = 64 << 20
	freshBytes = 256 << 20
	pageBytes  = 4096
)

// Copies into shared memory, and mapping it anew. The package shm measures the
// same from within: go test -run '^$' -bench Figures ./shm
var memoryRows = []row{
	{name: "copy-in, warm arena, 64 MiB: PutCopy / copy", goal: atLeast(0.9), setup: copyIn},
	{name: "fresh arena, 256 MiB, allocate + copy / plain first touch", goal: atLeast(4), setup: fresh},
	{name: "respawned worker maps and writes 256 MiB / on 4 KiB pages", goal: atLeast(30), setup: mapAnew},
}

func copyIn(_ context.Context, s *session) (ours, theirs stat.Side, err error) {
	if err := need(2*warmBytes, warmBytes); err != nil {
		return nil, nil, err
	}
	_, arena, err := s.arena()
	src, dst := filled(warmBytes), filled(warmBytes)
	return func(context.Context) (float64, error) {
			start := time.Now()
			x, err := shm.PutCopy(arena, src)
			took := time.Since(start)
			if err != nil {
				return 0, err
			}
			x.Release()
			return float64(took), nil
		}, func(context.Context) (float64, error) {
			start := time.Now()
			copy(dst, src)
			return float64(time.Since(start)), nil
		}, err
}

// fresh is from nothing to filled shared memory, and back to nothing.
func fresh(_ context.Context, s *session) (ours, theirs stat.Side, err error) {
	if err := need(freshBytes, freshBytes); err != nil {
		return nil, nil, err
	}
	run, _, err := s.arena()
	src := filled(freshBytes)
	return timed(1, func(context.Context) error {
			a := run.NewArena(nil)
			x, err := shm.PutCopy(a, src)
			if err != nil {
				return err
			}
			x.Release()
			return a.Close()
		}), timed(1, func(context.Context) error {
			f, err := plainFile(freshBytes)
			if err != nil {
				return err
			}
			defer f.Close()
			mem, err := mapFile(f, freshBytes)
			if err != nil {
				return err
			}
			copy(mem, src)
			return unmap(mem)
		}), err
}

type mapIn struct {
	Segment, Path string // one of them
	Bytes         int64
}

type mapOut struct{ PID, NS int64 }

// writePages maps memory that is there and writes to each page of it.
var writePages = pool.Func("peers.writePages", func(_ *pool.Task, in mapIn) (out mapOut, err error) {
	out.PID = int64(os.Getpid())
	write := func(mem []byte) {
		for i := 0; i < len(mem); i += pageBytes {
			mem[i] = 1
		}
	}
	if in.Path != "" {
		f, err := os.OpenFile(in.Path, os.O_RDWR, 0)
		if err != nil {
			return out, err
		}
		defer f.Close()
		start := time.Now()
		mem, err := mapFile(f, int(in.Bytes))
		if err != nil {
			return out, err
		}
		write(mem)
		out.NS = int64(time.Since(start))
		return out, unmap(mem)
	}
	shape, err := shm.ShapeOf(int(in.Bytes))
	if err != nil {
		return out, err
	}
	start := time.Now()
	seg, err := shm.Attach(in.Segment, in.Bytes, shm.ReadWrite)
	if err != nil {
		return out, err
	}
	defer seg.Close()
	x, err := shm.BindArray[byte](seg, shm.Ref{Segment: in.Segment, DType: shm.Uint8, Shape: shape})
	if err != nil {
		return out, err
	}
	write(x.Data())
	out.NS = int64(time.Since(start))
	x.Release()
	return out, nil
})

// mapAnew kills the worker before each sample.
func mapAnew(ctx context.Context, s *session) (ours, theirs stat.Side, err error) {
	if err := need(0, 2*freshBytes); err != nil {
		return nil, nil, err
	}
	p, err := s.pool(ctx, 1)
	if err != nil {
		return nil, nil, err
	}
	seg, err := p.Run().Create(freshBytes)
	if err != nil {
		return nil, nil, err
	}
	f, err := plainFile(freshBytes)
	if err != nil {
		return nil, nil, err
	}
	s.cleanup(f.Close)
	mem, err := mapFile(f, freshBytes)
	if err != nil {
		return nil, nil, err
	}
	for i := 0; i < len(mem); i += pageBytes {
		mem[i] = 1 // its pages are there, as the segment's are
	}
	if err := unmap(mem); err != nil {
		return nil, nil, err
	}
	path := fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())
	last := int64(0)
	by := func(in mapIn) stat.Side {
		return func(ctx context.Context) (float64, error) {
			if last != 0 {
				if err := kill(int(last)); err != nil {
					return 0, err
				}
			}
			f, err := writePages.Submit(ctx, p, in)
			if err != nil {
				return 0, err
			}
			out, err := f.Wait(ctx)
			if err == nil && out.PID == last {
				err = fmt.Errorf("worker %d was killed and answered", last)
			}
			last = out.PID
			return float64(out.NS), err
		}
	}
	return by(mapIn{Segment: seg.Name(), Bytes: freshBytes}), by(mapIn{Path: path, Bytes: freshBytes}), nil
}

// filled is memory whose pages are there.
func filled(bytes int) []byte {
	b := make([]byte, bytes)
	for i := range b {
		b[i] = 1
	}
	return b
}

// kill ends a process as the kernel's out-of-memory killer does.
func kill(pid int) error {
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	return p.Kill()
}
