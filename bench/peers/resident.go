package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"

	"example.com/handoff/bench/stat"
	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

const (
	bigBytes   = 512 << 20
	bigWorkers = 4
	leanBytes  = 3 << 20 // of a worker that links no more than the toolkit
)

// The memory of all processes together.
var residentRows = []row{
	{name: "memory, 512 MiB to 4 workers: PSS / 1.05 × array + 3 MiB each", goal: atMost(1), bytes: true, setup: func(ctx context.Context, s *session) (ours, theirs stat.Side, err error) {
		if err := need(64<<20, bigBytes+(64<<20)); err != nil {
			return nil, nil, err
		}
		p, err := s.pool(ctx, bigWorkers)
		if err != nil {
			return nil, nil, err
		}
		x, err := shm.MakeUnzeroed[float64](p.Arena(), bigBytes/8)
		if err != nil {
			return nil, nil, err
		}
		s.cleanup(func() error { x.Release(); return nil })
		ones(x.Data())
		return func(ctx context.Context) (float64, error) { return sumAndWeigh(ctx, p, x.View()) },
			func(context.Context) (float64, error) { return 1.05*bigBytes + bigWorkers*leanBytes, nil }, nil
	}},
}

// sumAndWeigh lets each worker add up a part of x and returns the PSS of this
// process and of the workers.
func sumAndWeigh(ctx context.Context, p *pool.Pool, x shm.View[float64]) (float64, error) {
	part := x.Len() / bigWorkers
	parts := func(yield func(array) bool) {
		for i := range bigWorkers {
			if !yield(array{x.Rows(i*part, (i+1)*part)}) {
				return
			}
		}
	}
	sum := 0.0
	for item, err := range total.Map(ctx, p, parts) {
		if err != nil {
			return 0, err
		}
		sum += item.Value
	}
	if sum != float64(x.Len()) {
		return 0, fmt.Errorf("%w: %v, expected %d", errAnswer, sum, x.Len())
	}
	if err := allReady(ctx, p, bigWorkers); err != nil {
		return 0, err
	}
	debug.FreeOSMemory()
	bytes, err := pss(os.Getpid())
	for _, w := range p.Stats().Workers {
		more, err := pss(w.PID)
		if err != nil {
			return 0, err
		}
		bytes += more
	}
	return bytes, err
}

// pss is a process's proportional set size in bytes: pages that n processes
// have mapped count as 1/n.
func pss(pid int) (float64, error) {
	name := fmt.Sprintf("/proc/%d/smaps_rollup", pid)
	b, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return 0, fmt.Errorf("%w: %w", err, errors.ErrUnsupported)
	} else if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, "Pss:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 10, 64)
			return float64(kib << 10), err
		}
	}
	return 0, fmt.Errorf("%s has no line Pss", name)
}
