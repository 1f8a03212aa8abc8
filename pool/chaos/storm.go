package chaos

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"sync"
	"time"

	"example.com/handoff/pool"
)

// A Storm deals faults to the workers of a pool.
type Storm struct {
	plan   Plan
	over   *poolTarget
	cancel context.CancelFunc
	done   chan struct{} // closed when nothing more happens
}

// A poolTarget is the pool that a storm is over.
type poolTarget struct {
	pool    *pool.Pool
	places  chan struct{} // holds a token for each strike under way
	strikes sync.WaitGroup

	mu    sync.Mutex // guards what follows
	dealt map[Fault]int
	err   error
}

const (
	maxStrikes = 4 // at a time
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
	c, err := plan.withDefaults(stats.Memory.Mechanism != "")
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
	t := &poolTarget{pool: p, places: make(chan struct{}, maxStrikes), dealt: map[Fault]int{}}
	for _, f := range c.Faults {
		t.dealt[f] = 0
	}
	select {
	case <-p.Done():
		return nil, fmt.Errorf("chaos: %w", pool.ErrClosed)
	default:
	}
	if ctx.Err() != nil {
		return nil, fmt.Errorf("chaos: %w", ctx.Err())
	}
	s := &Storm{plan: c, over: t, done: make(chan struct{})}
	ctx, s.cancel = context.WithCancel(ctx)
	go func() {
		defer close(s.done)
		defer s.cancel()
		_ = NewEngine(c.Seed, c.Faults, c.Every).Run(ctx, t, c.Most) // only ever the end of the pool or of ctx
		t.strikes.Wait()
	}()
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
	t := s.over
	t.mu.Lock()
	defer t.mu.Unlock()
	return Report{s.plan.Seed, s.plan.Every, maps.Clone(t.dealt), t.err}
}

func (t *poolTarget) Parent() int           { return os.Getpid() }
func (t *poolTarget) Done() <-chan struct{} { return t.pool.Done() }
func (t *poolTarget) Look() error           { return nil }

// Workers are those that have said hello and are not asked to end, by their slots.
func (t *poolTarget) Workers() (workers []Worker) {
	for _, w := range t.pool.Stats().Workers {
		switch w.State {
		case pool.StateIdle, pool.StateRunning, pool.StateStandby:
			if w.PID > 1 && w.PID != os.Getpid() {
				workers = append(workers, Worker{w.Incarnation, w.PID})
			}
		}
	}
	return workers
}

// Deal submits a fault that a worker does itself.
func (t *poolTarget) Deal(ctx context.Context, fault Fault, _ time.Duration) (bool, error) {
	select {
	case t.places <- struct{}{}:
	default:
		return false, nil
	}
	f, err := strike.Submit(ctx, t.pool, strikeInput{string(fault), int64(os.Getpid())})
	if err != nil { // the table is full, or it is the end
		<-t.places
		return false, nil
	}
	t.strikes.Go(func() {
		t.await(ctx, fault, f)
		<-t.places
	})
	return true, nil
}

// await waits for a strike, and gives it up at the end of the storm.
func (t *poolTarget) await(ctx context.Context, fault Fault, f pool.Future[int64]) {
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
		t.Dealt(fault)
	case err == nil || errors.Is(err, pool.ErrCancelled) || errors.Is(err, pool.ErrClosed) || errors.Is(err, pool.ErrWaited):
	default:
		t.mu.Lock()
		t.err = cmp.Or(t.err, fmt.Errorf("chaos: fault %q: %w", fault, err))
		t.mu.Unlock()
	}
}

// Dealt counts a fault. Strikes call it too, from their own goroutines.
func (t *poolTarget) Dealt(f Fault) {
	t.mu.Lock()
	t.dealt[f]++
	t.mu.Unlock()
}
