package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/handoff/bench/stat"
	"example.com/handoff/pool"
)

// MemoryOptions configures Memory. The zero value and nil work; it is copied.
type MemoryOptions struct {
	// Bytes is the size of the array: a multiple of 8, at least 8 MiB, else what a
	// worker takes for itself would hide it. 0: 64 MiB.
	Bytes int64
	// Workers are the numbers of workers to compare, at least two, each at least 1
	// and at most 64. nil: 1, 2, 4.
	Workers []int
	// Progress, if not nil, is called on Memory's goroutine before each measurement
	// and once at the end.
	Progress func(done, total int, text string)
}

const (
	leastMemoryBytes  = 8 << 20
	mostMemoryWorkers = 64
)

// The strategies that Memory compares.
const (
	memoryGob = "gob"
	memoryShm = "shm"
)

// Validate reports what no Memory would accept. nil is valid.
func (o *MemoryOptions) Validate() error {
	_, err := o.withDefaults()
	return err
}

func (o *MemoryOptions) withDefaults() (MemoryOptions, error) {
	var c MemoryOptions
	if o != nil {
		c = *o
	}
	if c.Bytes == 0 {
		c.Bytes = 64 << 20
	}
	if c.Bytes < leastMemoryBytes || c.Bytes%elemBytes != 0 {
		return c, fmt.Errorf("bench: an array of %d bytes, expected a multiple of %d from %s on", c.Bytes, elemBytes, FormatSize(leastMemoryBytes))
	}
	if len(c.Workers) == 0 {
		c.Workers = []int{1, 2, 4}
	}
	c.Workers = slices.Compact(slices.Sorted(slices.Values(c.Workers)))
	if first, last := c.Workers[0], c.Workers[len(c.Workers)-1]; first < 1 || last > mostMemoryWorkers || first == last {
		return c, fmt.Errorf("bench: workers %v, expected two different numbers or more from 1 to %d", c.Workers, mostMemoryWorkers)
	}
	return c, nil
}

// Memory measures how much memory this process and its workers take together while
// each worker holds the same array, handed over by gob and by the Ref of an array in
// shared memory, for several numbers of workers. The figures are a steady state:
// every process has just collected its garbage and given free memory back, so that
// what gob takes at its peak, 17 times the array or so, is not in them. What gob
// leaves is: the slice that it makes has room to spare, up to a third. The figures
// are the kernel's (smaps_rollup), which divides a page among the processes that
// have it mapped.
//
// Programs that call it must call [pool.Main] first thing in main. ctx bounds it;
// its cause is then the error. All it started is gone when it returns.
func Memory(ctx context.Context, opts *MemoryOptions) (*MemoryReport, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	most := o.Workers[len(o.Workers)-1]
	if have, ok := memInfo("MemAvailable"); ok && float64(gobArrays+most)*float64(o.Bytes) > float64(have) {
		return nil, fmt.Errorf("bench: an array of %s handed to %d workers by gob needs about %s of memory, %s are available: choose a smaller size",
			FormatSize(o.Bytes), most, stat.Size(float64(gobArrays+most)*float64(o.Bytes)), stat.Size(have))
	}
	dir, err := privateDir()
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer os.RemoveAll(dir)
	r := &MemoryReport{Machine: machine(), Bytes: o.Bytes}
	names := []string{memoryGob, memoryShm}
	for i, name := range names {
		for k, n := range o.Workers {
			if o.Progress != nil {
				o.Progress(i*len(o.Workers)+k, len(names)*len(o.Workers), fmt.Sprintf("memory, %s, %d workers", name, n))
			}
			res, err := memoryUse(ctx, dir, name, n, o.Bytes)
			if err != nil {
				return nil, fmt.Errorf("bench: memory, %s, %d workers: %w", name, n, err)
			}
			r.Results = append(r.Results, res)
		}
	}
	if o.Progress != nil {
		total := len(names) * len(o.Workers)
		o.Progress(total, total, "")
	}
	r.judge()
	return r, nil
}

// memoryUse measures one strategy with n workers, first with a few bytes in the
// array's place.
func memoryUse(ctx context.Context, dir, strategy string, n int, bytes int64) (res MemoryResult, err error) {
	limit := startTimeout + stallTime + time.Duration(n)*time.Duration(bytes/stallRate)*time.Second
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done within %v", limit))
	defer cancel()
	defer func() {
		if err != nil && ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}()
	p, err := pool.New(ctx, &pool.Options{Workers: n, Attempts: 1, Replacement: pool.Replacement{KeepWidth: true}})
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, p.Close(ctx)) }()
	s := session{pool: p}
	if err := s.reserve(1, bytes); err != nil { // before gob takes its time
		return res, err
	}
	pids, err := allReady(ctx, p, n)
	if err != nil {
		return res, err
	}
	res = MemoryResult{Strategy: strategy, Workers: n, Bytes: bytes}
	held := func(bytes int64) (use memoryBytes, err error) {
		h, err := handAll(ctx, p, dir, n, strategy == memoryShm, bytes)
		if err != nil {
			return use, err
		}
		use, err = readMemory(append([]int{os.Getpid()}, pids...))
		return use, errors.Join(err, h.end(false))
	}
	base, err := held(elemBytes)
	if err != nil {
		return res, err
	}
	use, err := held(bytes)
	res.PSSBytes, res.PrivateBytes = use.pss, use.private
	res.BasePSSBytes, res.BasePrivateBytes = base.pss, base.private
	return res, err
}

type memoryBytes struct{ pss, private int64 }

// readMemory adds up what the processes have.
func readMemory(pids []int) (sum memoryBytes, err error) {
	for _, pid := range pids {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return sum, err
		}
		m, err := parseMemory(string(b))
		if err != nil {
			return sum, fmt.Errorf("/proc/%d/smaps_rollup: %w", pid, err)
		}
		sum.pss += m.pss
		sum.private += m.private
	}
	return sum, nil
}

func parseMemory(text string) (m memoryBytes, err error) {
	found := 0
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) != 3 || f[2] != "kB" {
			continue
		}
		kib, err := strconv.ParseInt(f[1], 10, 53)
		if err != nil || kib < 0 {
			return m, fmt.Errorf("%q is no size", line)
		}
		switch f[0] {
		case "Pss:":
			m.pss += kib << 10
			found |= 1
		case "Private_Clean:", "Private_Hugetlb:":
			m.private += kib << 10
		case "Private_Dirty:":
			m.private += kib << 10
			found |= 2
		}
	}
	if found != 3 {
		return m, errors.New("it has no Pss or Private_Dirty")
	}
	return m, nil
}
