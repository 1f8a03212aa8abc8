package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/handoff/bench/stat"
	"example.com/handoff/pool"
	"example.com/handoff/pool/classify"
	"example.com/handoff/pool/queue"
	"example.com/handoff/shm"
)

// CalibrateOptions configures Calibrate. The zero value and nil work.
type CalibrateOptions struct {
	// File is where the costs are kept between runs. "": handoff/costs.json in the
	// user's cache directory ([os.UserCacheDir]).
	File string
	// Fresh measures anew whatever is kept.
	Fresh bool
	// Warn, if not nil, is called on Calibrate's goroutine with why what is kept is
	// not used, or what was measured is not kept.
	Warn func(error)

	// Of tests.
	measure func(context.Context) (classify.Costs, error)
}

// Calibrate returns what the routes of the classifier cost on this machine. It
// measures for about a second, with worker processes of its own as Run does, and
// keeps the result in a file, readable by this user alone, that later calls read
// instead: until the processor, the number of cores, GOMAXPROCS, the kernel, Go or
// this toolkit is another one. A file that is damaged or of another machine is
// replaced. Nothing about the file is an error: see Warn.
//
// ctx bounds it; its cause is then the error. Programs that call it must call
// [pool.Main] first thing in main. Goroutines and processes may call it at the same
// time; those that measure then disturb each other.
func Calibrate(ctx context.Context, opts *CalibrateOptions) (classify.Costs, error) {
	var o CalibrateOptions
	if opts != nil {
		o = *opts
	}
	if o.Warn == nil {
		o.Warn = func(error) {}
	}
	if o.measure == nil {
		o.measure = calibrate
	}
	here := originHere()
	file, err := o.File, error(nil)
	if file == "" {
		if file, err = costsFile(); err != nil {
			o.Warn(fmt.Errorf("bench: the costs are not kept: %w", err))
		}
	}
	if file != "" && !o.Fresh {
		switch costs, err := readCosts(file, here); {
		case err == nil:
			return costs, nil
		case !errors.Is(err, errNoCosts):
			o.Warn(fmt.Errorf("bench: the costs that are kept are measured anew: %w", err))
		}
	}
	costs, err := o.measure(ctx)
	switch {
	case err != nil && ctx.Err() != nil:
		return classify.Costs{}, context.Cause(ctx)
	case err != nil:
		return classify.Costs{}, err
	}
	if file != "" {
		if err := writeCosts(file, here, costs); err != nil {
			o.Warn(fmt.Errorf("bench: the costs are not kept: %w", err))
		}
	}
	return costs, nil
}

// The sizes between which the costs per byte are measured.
const smallBytes, largeBytes = 64, 1 << 20

const (
	calibrateCount = 7 // samples of each strategy and size
	calibrateTime  = 2 * time.Second
)

// calibrate measures. Each part takes the fewest samples it can once the time is up.
func calibrate(ctx context.Context) (c classify.Costs, err error) {
	start := time.Now()
	count := func(n int) int {
		if time.Since(start) > calibrateTime {
			return 1
		}
		return n
	}
	names := []string{gobReused, shmCopy, shmResident, inProcess}
	s, err := open(ctx, arrays[shm.Float64], names, TouchEnds, largeBytes)
	if err != nil {
		return c, err
	}
	o := Options{payload: arrays[shm.Float64], Sizes: []int64{smallBytes, largeBytes}, Touch: TouchEnds, Count: count(calibrateCount), roundsOnly: true}
	results, err := measure(ctx, o, s.carriers)
	var wake float64
	if err == nil {
		wake, err = measureWake(ctx, s.carriers[slices.Index(names, shmResident)], count(15))
	}
	if err := errors.Join(err, s.close(ctx, err != nil)); err != nil {
		return c, err
	}
	r := &Report{Results: results}
	if err := r.err(); err != nil {
		return c, err
	}
	// Two sizes determine the line; noise must not make a slope or an intercept negative.
	line := func(small, large float64) classify.RouteCost {
		perByte := max(0, (large-small)/(largeBytes-smallBytes))
		return classify.RouteCost{FixedNs: max(0, small-perByte*smallBytes), NsPerByte: perByte}
	}
	of := func(strategy string) (small, large float64) {
		small, _ = r.median(strategy, smallBytes)
		large, _ = r.median(strategy, largeBytes)
		return small, large
	}
	resident, _ := of(shmResident)
	local, _ := of(inProcess)
	c.Goroutine, c.ProcessRef = classify.RouteCost{FixedNs: local}, classify.RouteCost{FixedNs: resident}
	c.Process, c.ProcessGob = line(of(shmCopy)), line(of(gobReused))
	c.WakeNs = max(0, wake-resident)
	for _, g := range []struct {
		strategy string
		to       *classify.RouteCost
	}{{gobReused, &c.Gob}, {gobFresh, &c.GobFresh}} {
		small, err := measureGob(g.strategy, smallBytes, count(200))
		if err != nil {
			return c, err
		}
		large, err := measureGob(g.strategy, largeBytes, count(10))
		if err != nil {
			return c, err
		}
		*g.to = line(small, large)
	}
	if c.Split.FixedNs, err = measureQueue(ctx, count(10)); err != nil {
		return c, err
	}
	if c.StartNs, err = measureStart(ctx, count(3)); err != nil {
		return c, err
	}
	c.MeasuredAt = time.Now().UTC().Truncate(time.Second)
	return c, nil
}

// asleep is longer than a worker looks for work before it sleeps.
const asleep = 3 * time.Millisecond

// measureWake is a handoff to a worker that sleeps, and its answer.
func measureWake(ctx context.Context, c carrier, n int) (float64, error) {
	in, err := arrays[shm.Float64].instance(smallBytes, TouchEnds)
	if err != nil {
		return 0, err
	}
	s, err := newSampler(c, in)
	if err == nil {
		_, err = s.burst(ctx, 1)
	}
	var ns float64
	if err == nil {
		ns, err = stat.Repeat(n, func() (time.Duration, error) {
			time.Sleep(asleep)
			return s.burst(ctx, 1)
		})
	}
	if err != nil {
		return 0, errors.Join(fmt.Errorf("bench: %s to a worker that sleeps: %w", c.strategy(), err), c.unload())
	}
	return ns, c.unload()
}

// measureGob is the encoding and decoding of an array, in memory.
func measureGob(strategy string, size int64, n int) (float64, error) {
	var buf bytes.Buffer
	p := arrays[shm.Float64]
	f := newFormat(p, strategy, &buf, size)
	x, err := p.generate(int(size / elemBytes))
	if err != nil {
		return 0, err
	}
	trip := func() (time.Duration, error) {
		begin := time.Now()
		err := f.write(0, x)
		if err == nil {
			_, _, err = f.read()
		}
		return time.Since(begin), err
	}
	if _, err := trip(); err != nil {
		return 0, fmt.Errorf("bench: %s in memory: %w", strategy, err)
	}
	return stat.Repeat(n, trip)
}

// measureQueue is an item through a queue between two goroutines.
func measureQueue(ctx context.Context, n int) (float64, error) {
	const items = 2000
	batch, err := stat.Repeat(n, func() (time.Duration, error) {
		q, err := queue.New[int](nil)
		if err != nil {
			return 0, err
		}
		put := make(chan error, 1)
		begin := time.Now()
		go func() {
			defer q.Close()
			for i := range items {
				if err := q.Put(ctx, i, 8); err != nil {
					put <- err
					return
				}
			}
			put <- nil
		}()
		for err == nil {
			_, err = q.Get(ctx)
		}
		took := time.Since(begin)
		if errors.Is(err, queue.ErrClosed) {
			err = nil
		}
		return took, errors.Join(err, <-put)
	})
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return batch / items, err
}

// measureStart is a new pool of one worker up to the answer to its first task.
func measureStart(ctx context.Context, n int) (float64, error) {
	return stat.Repeat(n, func() (took time.Duration, err error) {
		begin := time.Now()
		p, err := pool.New(ctx, &pool.Options{Workers: 1, Attempts: 1})
		if err != nil {
			return 0, fmt.Errorf("bench: start: %w", err)
		}
		s := shared{pool: p}
		err = s.greet(ctx)
		took = time.Since(begin)
		return took, errors.Join(err, p.Close(ctx))
	})
}
