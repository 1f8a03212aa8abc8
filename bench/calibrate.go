package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"example.com/handoff/bench/cost"
	"example.com/handoff/bench/stat"
	"example.com/handoff/pool"
	"example.com/handoff/pool/queue"
	"example.com/handoff/shm"
)

// CalibrateOptions configures Calibrate. The zero value and nil work.
type CalibrateOptions struct {
	// File is where the costs are kept between runs. "": handoff/costs-2.json in the
	// user's cache directory ([os.UserCacheDir]), 2 being the version of its format.
	File string
	// Fresh measures anew whatever is kept.
	Fresh bool
	// Warn, if not nil, is called on Calibrate's goroutine with why what is kept is
	// not used, or what was measured is not kept.
	Warn func(error)

	// Of tests.
	measure func(context.Context) (cost.Costs, error)
}

// Calibrate returns what handing an array over costs on this machine. It
// measures for about two seconds, with worker processes of its own as Run does, and
// keeps the result in a file, readable by this user alone, that later calls of any program read
// instead. The file has an entry for each processor, number of cores, GOMAXPROCS, kernel and
// version of Go, the last eight of them. One that is damaged is
// replaced. Nothing about the file is an error: see Warn.
//
// ctx bounds it; its cause is then the error. Programs that call it must call
// [pool.Main] first thing in main. Goroutines and processes may call it at the same
// time; those that measure then disturb each other, and of two that write at the same moment one entry is
// kept.
func Calibrate(ctx context.Context, opts *CalibrateOptions) (cost.Costs, error) {
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
		return cost.Costs{}, context.Cause(ctx)
	case err != nil:
		return cost.Costs{}, err
	}
	if file != "" {
		if err := keepCosts(file, keptCosts{here, costs}); err != nil {
			o.Warn(fmt.Errorf("bench: the costs are not kept: %w", err))
		}
	}
	return costs, nil
}

// calibrateSizes are those at which the prices are measured: in the caches, where they
// end, and beyond. gob computes more than it moves, so that its price goes on as it is from mostGobBytes on.
var calibrateSizes = []int64{64, 64 << 10, 1 << 20, 16 << 20, 64 << 20}

const (
	smallBytes   = 64
	mostGobBytes = 16 << 20

	// Of one size: rounds are taken until there are mostSamples or the time is up.
	leastSamples, mostSamples = 3, 9
	sizeTime                  = 100 * time.Millisecond

	calibrateTime = 2 * time.Second
)

// calibrate measures. Each part takes the fewest samples it can once the time is up.
// Where there is no memory for the largest arrays, their prices are not measured.
func calibrate(ctx context.Context) (c cost.Costs, err error) {
	for sizes := calibrateSizes; ; sizes = sizes[:len(sizes)-1] {
		c, err = calibrateAt(ctx, sizes)
		if noSpace := (*shm.SpaceError)(nil); len(sizes) == 1 || !errors.As(err, &noSpace) {
			return c, err
		}
	}
}

func calibrateAt(ctx context.Context, sizes []int64) (c cost.Costs, err error) {
	start := time.Now()
	count := func(n int) int {
		if time.Since(start) > calibrateTime {
			return 1
		}
		return n
	}
	names := []string{gobReused, shmCopy, shmResident, valued, inProcess}
	s, err := open(ctx, arrays[shm.Float64], names, TouchEnds, sizes[len(sizes)-1])
	if err != nil {
		return c, err
	}
	resident := s.carriers[slices.Index(names, shmResident)]
	var points []cost.Point
	var wake float64
	for _, bytes := range sizes {
		at, sized := []cost.Point(nil), s.carriers
		if bytes > mostGobBytes {
			sized = slices.DeleteFunc(slices.Clone(sized), func(c carrier) bool { return isStream(c.strategy()) })
		}
		if at, err = calibrateSize(ctx, sized, bytes, start); err != nil {
			break
		}
		points = append(points, at...)
	}
	if err == nil {
		wake, err = measureWake(ctx, resident, count(15))
	}
	if err := errors.Join(err, s.close(ctx, err != nil)); err != nil {
		return c, err
	}
	c = cost.FromPoints(points)
	awake, _ := c.Ref.NS(smallBytes)
	c.WakeNS = max(0, wake-awake)
	return c, calibrateRest(ctx, &c, sizes, count)
}

// calibrateRest measures what needs no session.
func calibrateRest(ctx context.Context, c *cost.Costs, sizes []int64, count func(int) int) error {
	for _, bytes := range sizes {
		if bytes > mostGobBytes {
			break
		}
		for _, g := range []struct {
			strategy string
			to       *cost.Curve
		}{{gobReused, &c.Gob}, {gobFresh, &c.GobFresh}} {
			n := 200 // of the cheap ones; 3 of the largest
			if bytes > smallBytes {
				n = int(min(max(3, 64<<20/bytes/16), 20))
			}
			ns, err := measureGob(arrays[shm.Float64], g.strategy, int(bytes/elemBytes), bytes, count(n))
			if err != nil {
				return err
			}
			*g.to = append(*g.to, cost.At{Bytes: bytes, NS: ns})
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
	}
	split, err := measureQueue(ctx, count(10))
	if err != nil {
		return err
	}
	c.Split = cost.Flat(split)
	if c.StartNS, err = measureStart(ctx, count(3)); err != nil {
		return err
	}
	c.MeasuredAt = time.Now().UTC().Truncate(time.Second)
	return nil
}

// calibrateSize takes turns with the carriers at one size.
func calibrateSize(ctx context.Context, carriers []carrier, bytes int64, start time.Time) (points []cost.Point, err error) {
	in, err := arrays[shm.Float64].instance(bytes, TouchEnds)
	if err != nil {
		return nil, err
	}
	l, err := newLineup(ctx, carriers, in, func(string) {})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	samples := make([][]float64, len(l.samplers))
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	began := time.Now()
	more := func(rounds int) bool {
		return rounds < leastSamples || rounds < mostSamples && time.Since(began) < sizeTime && time.Since(start) < calibrateTime
	}
	for rounds := 0; more(rounds); rounds++ {
		for _, i := range random.Perm(len(l.samplers)) {
			ns, _, err := l.samplers[i].sample(ctx)
			if err != nil {
				return nil, l.fault(l.samplers[i].c, err)
			}
			samples[i] = append(samples[i], ns)
		}
	}
	for i, s := range l.samplers {
		if s.wrong > 0 {
			return nil, l.fault(s.c, ErrAnswer)
		}
		points = append(points, cost.Point{Strategy: s.c.strategy(), Bytes: bytes, NS: stat.Median(samples[i])})
	}
	return points, nil
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

// measureGob is the encoding and decoding of a payload of so many elements and bytes, in memory.
func measureGob(p *payload, strategy string, elements int, size int64, n int) (float64, error) {
	var buf bytes.Buffer
	f := newFormat(p, strategy, &buf, size)
	x, err := p.generate(elements)
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
