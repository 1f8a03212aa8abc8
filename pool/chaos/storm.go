package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"time"

	"example.com/handoff/pool"
)

// A Storm deals faults to the workers of a pool.
type Storm struct {
	pool   *pool.Pool
	plan   Plan
	cancel context.CancelFunc
	done   chan struct{} // closed when nothing more happens

	// Of the storm's goroutine.
	script  *script
	held    []held
	struck  map[int]bool  // incarnations that are to die
	places  chan struct{} // holds a token for each strike under way
	strikes sync.WaitGroup

	mu    sync.Mutex
	dealt map[Fault]int
	err   error
}

// held is a worker that was stopped.
type held struct {
	victim
	incarnation int
	until       time.Time // zero: to the end
}

const (
	maxStrikes = 4                      // at a time
	lookEvery  = 100 * time.Millisecond // at whether the pool has ended
	// grace is how long strikes that are under way may take when the storm ends:
	// one that has killed its worker is about to be run again, and to say so.
	grace = 200 * time.Millisecond
)

// Start begins a storm over p. It ends with ctx at the latest. The error is about
// the plan, p has ended ([pool.ErrClosed]), its workers are no processes
// (Isolation = Goroutine), or this is not Linux ([errors.ErrUnsupported]).
func Start(ctx context.Context, p *pool.Pool, plan *Plan) (*Storm, error) {
	if err := supported(); err != nil {
		return nil, fmt.Errorf("chaos: %w", err)
	}
	stats := p.Stats()
	c, err := plan.withDefaults(stats.MemoryMechanism != "")
	if err != nil {
		return nil, err
	}
	for _, w := range stats.Workers {
		if w.PID == os.Getpid() {
			return nil, fmt.Errorf("chaos: the pool's workers are goroutines: Isolation = %q is needed", pool.Process)
		}
	}
	for c.Seed == 0 {
		c.Seed = rand.Uint64()
	}
	s := &Storm{
		pool: p, plan: c, done: make(chan struct{}),
		script: newScript(c), struck: map[int]bool{},
		places: make(chan struct{}, maxStrikes),
		dealt:  map[Fault]int{},
	}
	for _, f := range c.Faults {
		s.dealt[f] = 0
	}
	if err := s.ended(ctx); err != nil {
		return nil, fmt.Errorf("chaos: %w", err)
	}
	ctx, s.cancel = context.WithCancel(ctx)
	go s.run(ctx)
	return s, nil
}

// Seed is the seed, for a test that wants to log it before it hangs.
func (s *Storm) Seed() uint64 { return s.plan.Seed }

// Stop ends the storm and returns what it has done. When it returns, workers that
// were stopped run again and no strike is in the pool; what was dealt last may not
// be in the pool's statistics yet. Stop may be called twice: all calls wait, and
// return the same.
func (s *Storm) Stop() Report {
	s.cancel()
	<-s.done
	s.mu.Lock()
	defer s.mu.Unlock()
	return Report{s.plan.Seed, s.plan.Every, maps.Clone(s.dealt), s.err}
}

func (s *Storm) run(ctx context.Context) {
	defer close(s.done)
	defer s.cancel()
	defer s.strikes.Wait()
	defer s.resume(func(held) bool { return true }) // first: a strike may be in one of them
	for n := 0; s.plan.Most == 0 || n < s.plan.Most; n++ {
		if d := s.script.next(); !s.rest(ctx, d.pause) || !s.deal(ctx, d) {
			return
		}
	}
	for len(s.held) > 0 && s.rest(ctx, lookEvery) {
	}
}

// rest sleeps, and resumes meanwhile who is due. It reports whether to go on.
func (s *Storm) rest(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for end := time.Now().Add(d); ; {
		select {
		case <-timer.C:
		case <-ctx.Done():
			return false
		}
		now := time.Now()
		s.resume(func(h held) bool { return !h.until.IsZero() && !now.Before(h.until) })
		if s.ended(ctx) != nil {
			return false
		}
		if !now.Before(end) {
			return true
		}
		next := min(end.Sub(now), lookEvery)
		for _, h := range s.held {
			if !h.until.IsZero() {
				next = min(next, h.until.Sub(now))
			}
		}
		timer.Reset(next)
	}
}

// ended is why there will be no more faults: the pool or ctx has ended.
func (s *Storm) ended(ctx context.Context) error {
	select {
	case <-s.pool.Done():
		return pool.ErrClosed
	default:
		return ctx.Err()
	}
}

// resume lets those run again that are due, and forgets them and those that are dead.
func (s *Storm) resume(due func(held) bool) {
	s.held = slices.DeleteFunc(s.held, func(h held) bool {
		if !due(h) && !h.dead() {
			return false
		}
		h.resume()
		h.close()
		return true
	})
}

// deal does what was decided, when it can be done. It reports whether to go on.
// Where there is nobody to hit it rests first: else new workers would be hit as soon
// as they are there, and get nothing done.
func (s *Storm) deal(ctx context.Context, d decision) bool {
	try := s.submit
	switch d.fault {
	case Kill, Segv, Pause, Freeze:
		try = s.signal
	}
	for !try(ctx, d) {
		if !s.rest(ctx, min(max(s.plan.Every, time.Millisecond), time.Second)) {
			return false
		}
	}
	return true
}

// signal deals one from outside. It reports false if there is nobody to hit.
func (s *Storm) signal(_ context.Context, d decision) bool {
	all := s.targets()
	if len(all) == 0 {
		return false
	}
	stops := d.fault == Pause || d.fault == Freeze
	if stops && len(all) == 1 && len(s.held) > 0 {
		return true // left out: somebody has to work
	}
	w := all[d.rank%uint32(len(all))]
	v, err := openVictim(w.PID)
	if err != nil {
		return false
	}
	// The handle is that of a child, and while the pool has not noticed the worker's
	// death it is that of the worker: all other pids would have to be used up between
	// the two.
	if !slices.ContainsFunc(s.workers(), func(now pool.WorkerStats) bool { return now.Incarnation == w.Incarnation }) || v.deal(d.fault) != nil {
		v.close()
		return false
	}
	s.count(d.fault)
	if !stops {
		s.struck[w.Incarnation] = true
		v.close()
		return true
	}
	h := held{victim: v, incarnation: w.Incarnation}
	if d.fault == Pause {
		h.until = time.Now().Add(d.hold)
	}
	s.held = append(s.held, h)
	return true
}

// targets are the workers that can be hit: not those that are to die or are stopped.
func (s *Storm) targets() []pool.WorkerStats {
	all := s.workers()
	maps.DeleteFunc(s.struck, func(incarnation int, _ bool) bool {
		return !slices.ContainsFunc(all, func(w pool.WorkerStats) bool { return w.Incarnation == incarnation })
	})
	return slices.DeleteFunc(all, func(w pool.WorkerStats) bool {
		return s.struck[w.Incarnation] || slices.ContainsFunc(s.held, func(h held) bool { return h.incarnation == w.Incarnation })
	})
}

// workers are those that have said hello and are not asked to end, by their slots.
func (s *Storm) workers() []pool.WorkerStats {
	return slices.DeleteFunc(s.pool.Stats().Workers, func(w pool.WorkerStats) bool {
		switch w.State {
		case pool.StateIdle, pool.StateRunning, pool.StateStandby:
			return w.PID <= 1 || w.PID == os.Getpid()
		}
		return true
	})
}

// submit deals one that a worker does itself. It reports false if that cannot be
// now.
func (s *Storm) submit(ctx context.Context, d decision) bool {
	select {
	case s.places <- struct{}{}:
	default:
		return false
	}
	f, err := strike.Submit(ctx, s.pool, order{string(d.fault), int64(os.Getpid())})
	if err != nil { // the table is full, or it is the end
		<-s.places
		return false
	}
	s.strikes.Go(func() {
		s.await(ctx, d.fault, f)
		<-s.places
	})
	return true
}

// await waits for a strike, and gives it up at the end of the storm.
func (s *Storm) await(ctx context.Context, fault Fault, f pool.Future[int64]) {
	attempt, err := f.Wait(ctx)
	if err != nil && ctx.Err() != nil {
		late, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
		defer cancel()
		if attempt, err = f.Wait(late); err != nil && late.Err() != nil {
			f.Cancel()
			attempt, err = f.Wait(context.WithoutCancel(ctx))
		}
	}
	switch {
	case attempt > 1 || errors.Is(err, pool.ErrWorkerDied):
		s.count(fault)
	case err == nil || errors.Is(err, pool.ErrCancelled) || errors.Is(err, pool.ErrClosed) || errors.Is(err, pool.ErrWaited):
	default:
		s.mu.Lock()
		s.err = cmp.Or(s.err, fmt.Errorf("chaos: fault %q: %w", fault, err))
		s.mu.Unlock()
	}
}

func (s *Storm) count(f Fault) {
	s.mu.Lock()
	s.dealt[f]++
	s.mu.Unlock()
}
