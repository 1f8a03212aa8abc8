package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

// The end of a context is not lost on the leader, wherever it stands when that comes:
// between its look at the context and its sleep, or in it.
func TestContextEndsBehindTheLeader(t *testing.T) {
	p := newPool(t, &Options{Workers: 2, Timeouts: Timeouts{Close: time.Millisecond}})
	eventually(t, func() bool { return len(p.Stats().Workers) == 2 }, "not all are up")
	var looked atomic.Pointer[func()]
	p.mu.Lock()
	p.leader.readyFunc = func() bool {
		if f := looked.Load(); f != nil {
			(*f)()
		}
		return p.leader.ready()
	}
	p.mu.Unlock()
	long, err := untilCancelled.Submit(background(), p, struct{}{})
	require.NoError(t, err)
	for _, at := range []int32{1, 2, 3, 5, 10, 30} {
		ctx, cancel := context.WithCancel(background())
		var looks atomic.Int32
		look := func() {
			if looks.Add(1) == at {
				cancel()
			}
		}
		looked.Store(&look)
		within(t, func() {
			_, err := long.Wait(ctx)
			require.ErrorIs(t, err, context.Canceled)
		})
	}
	long.Cancel()
	long.Discard()
}

// What hears of a context's end is a goroutine: it may run when the pool is gone,
// and its doorbell with it.
func TestContextEndsAfterClose(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	require.NoError(t, p.Close(background()))
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	require.NotPanics(t, p.contextEnded)
}

// Many wait at once, for tasks of each other, under contexts that end and that
// do not; some cancel and some discard. Each future resolves once, nobody hangs,
// and then the role is free and the table empty.
func TestPollers(t *testing.T) {
	rounds := 8
	if raceEnabled {
		rounds = 3
	}
	bothIsolations(t, func(t *testing.T, opts Options) {
		opts.Timeouts.Close = 30 * time.Second
		defer pollWatchdog(t)()
		p := newPool(t, &opts)
		x, err := shm.PutCopy(p.Arena(), []float64{1})
		require.NoError(t, err)
		for range rounds {
			pollRound(t, p, x.View(), false)
		}
		requireNoPoller(t, p)
		x.Release()
		for range rounds { // and again in pools that are closed meanwhile
			p := newPool(t, &opts)
			pollRound(t, p, shm.View[float64]{}, true)
			requireNoPoller(t, p)
		}
	})
}

const (
	pollWaiters = 16
	pollTasks   = 40 // of each
)

// A pollJob is a task of either kind.
type pollJob struct {
	n               int64
	wait            func(context.Context) (int64, error)
	cancel, discard func()
}

func newPollJob(p *Pool, in dawdleIn) (j pollJob, err error) {
	j.n = in.N
	if rand.IntN(2) == 0 {
		f, err := dawdle.Submit(background(), p, in)
		j.wait, j.cancel, j.discard = f.Wait, f.Cancel, f.Discard
		return j, err
	}
	f, err := dawdleView.Submit(background(), p, in)
	j.cancel, j.discard = f.Cancel, f.Discard
	j.wait = func(ctx context.Context) (int64, error) {
		v, err := f.Wait(ctx)
		if err != nil {
			return 0, err
		}
		defer v.Release()
		return v.At(0), nil
	}
	return j, err
}

// pollRound submits and waits for tasks of all kinds, once each, some with x as an
// argument. With closing the pool is closed meanwhile, by several.
func pollRound(t *testing.T, p *Pool, x shm.View[float64], closing bool) {
	jobs := make(chan pollJob, pollWaiters*pollTasks)
	var submitters, waiters sync.WaitGroup
	var resolved, closed, given atomic.Int64
	for range pollWaiters {
		submitters.Go(func() {
			for range pollTasks {
				in := dawdleIn{N: rand.Int64N(200)}
				if in.N%2 == 0 {
					in.X = x
				}
				j, err := newPollJob(p, in)
				if closing && errors.Is(err, ErrClosed) {
					closed.Add(1)
					continue
				}
				if !assert.NoError(t, err) {
					return
				}
				jobs <- j
				dither()
			}
		})
		waiters.Go(func() {
			var mine []pollJob
			wait := func() {
				i := rand.IntN(len(mine))
				j := mine[i]
				mine = slices.Delete(mine, i, i+1)
				cancelled := false
				switch rand.IntN(8) {
				case 0:
					j.discard()
					_, err := j.wait(background())
					assert.ErrorIs(t, err, ErrWaited)
					given.Add(1)
					return
				case 1:
					cancelled = true
					j.cancel()
				case 2: // by somebody else, while this one waits
					cancelled = true
					go j.cancel()
				}
				v, err := waitOften(j)
				switch {
				case err == nil:
					assert.Equal(t, j.n+1, v)
				case cancelled && errors.Is(err, ErrCancelled):
				case closing && errors.Is(err, ErrClosed):
				default:
					assert.NoError(t, err)
				}
				resolved.Add(1)
				_, err = j.wait(background())
				assert.ErrorIs(t, err, ErrWaited)
			}
			for j := range jobs {
				if mine = append(mine, j); len(mine) == 5 {
					wait()
				}
				dither()
			}
			for len(mine) > 0 {
				wait()
			}
		})
	}
	var closers sync.WaitGroup
	if closing {
		for range 3 {
			closers.Go(func() {
				time.Sleep(rand.N(20 * time.Millisecond))
				assert.NoError(t, p.Close(background()))
			})
		}
	}
	submitters.Wait()
	close(jobs)
	waiters.Wait()
	closers.Wait()
	require.Equal(t, int64(pollWaiters*pollTasks), resolved.Load()+closed.Load()+given.Load())
}

type dawdleIn struct {
	N int64
	X shm.View[float64]
}

// dawdle takes up to a tenth of a millisecond, now and then much longer.
func (in dawdleIn) dawdle() {
	switch {
	case in.N == 0:
		time.Sleep(3 * time.Millisecond)
	case in.N < 100:
		time.Sleep(time.Duration(in.N) * time.Microsecond)
	}
}

var dawdle = Func("test.dawdle", func(t *Task, in dawdleIn) (int64, error) {
	in.dawdle()
	return in.N + 1, nil
})

var dawdleView = Func("test.dawdleView", func(t *Task, in dawdleIn) (shm.OwnedView[int64], error) {
	in.dawdle()
	a, err := shm.PutCopy(t.Arena(), []int64{in.N + 1})
	return a.Own(), err
})

// waitOften waits under contexts that end soon, until one does not.
func waitOften(j pollJob) (v int64, err error) {
	for range rand.IntN(4) {
		ctx, cancel := context.WithCancel(background())
		switch rand.IntN(3) {
		case 0:
			cancel() // before it waits
		case 1:
			time.AfterFunc(rand.N(300*time.Microsecond), cancel)
		case 2:
			ctx, cancel = context.WithTimeout(ctx, rand.N(300*time.Microsecond))
		}
		v, err = j.wait(ctx)
		cancel()
		if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) {
			return v, err
		}
		dither()
	}
	return j.wait(background())
}

// dither lets others go first, now and then.
func dither() {
	switch rand.IntN(6) {
	case 0:
		runtime.Gosched()
	case 1:
		time.Sleep(rand.N(50 * time.Microsecond))
	}
}

// pollWatchdog says where everybody is, if the test takes far too long.
func pollWatchdog(t *testing.T) (stop func() bool) {
	return time.AfterFunc(2*time.Minute, func() {
		buf := make([]byte, 1<<20)
		panic(fmt.Sprintf("%s: somebody hangs\n%s", t.Name(), buf[:runtime.Stack(buf, true)]))
	}).Stop
}

// requireNoPoller: nobody waits, nothing is on its way, and every slot is free.
func requireNoPoller(t *testing.T, p *Pool) {
	t.Helper()
	rest := func() (wrong string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		tokens := 0
		for _, task := range p.tasks.all {
			tokens += len(task.token)
			if task.parked || task.leads || task.waiting || task.state != taskFree {
				wrong += fmt.Sprintf("task %v is left: %+v; ", task.id, task)
			}
		}
		if p.leader.held != p.helpers.stopping || p.leader.parked.first != nil || p.leader.parked.last != nil || p.leader.current != nil || tokens > 0 {
			wrong += fmt.Sprintf("polling %v, parked %v, waited %v, %d tokens; ", p.leader.held, p.leader.parked, p.leader.current, tokens)
		}
		if len(p.tasks.free) != len(p.tasks.all) || p.tasks.unresolved != 0 || p.tasks.pending.n != 0 || len(p.releases.tasks) != 0 {
			wrong += fmt.Sprintf("%d of %d slots free, %d unresolved, %d pending, %d ending", len(p.tasks.free), len(p.tasks.all), p.tasks.unresolved, p.tasks.pending.n, len(p.releases.tasks))
		}
		return wrong
	}
	wrong := ""
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) { // discarded tasks may still run
		if wrong = rest(); wrong == "" {
			return
		}
	}
	t.Fatal(wrong)
}

// A task that ends while the pool is closed has its result, wherever it lies.
func TestViewsOfAClosedPool(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		f, err := dawdleView.Submit(background(), p, dawdleIn{N: 0})
		require.NoError(t, err)
		eventually(t, func() bool { return p.Stats().Attempts == 1 }, "not started")
		closed := make(chan error)
		go func() { closed <- p.Close(background()) }()
		v, err := f.Wait(background())
		require.NoError(t, err)
		require.NoError(t, <-closed)
		require.Equal(t, int64(1), v.At(0))
		v.Release()
	})
}

// Who waits for a long task leaves the role to others: a short task's result does
// not go through its hands, and it gets its own when it comes.
func TestLongWait(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		opts.Workers = 2
		p := newPool(t, &opts)
		long, err := untilCancelled.Submit(background(), p, struct{}{})
		require.NoError(t, err)
		waited := make(chan error, 1)
		go func() {
			_, err := long.Wait(background())
			waited <- err
		}()
		waitsLong := func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return p.leader.longWaits.first != nil
		}
		eventually(t, waitsLong, "the waiter of a long task does not wait long")
		for i := range int64(200) {
			f, err := addOne.Submit(background(), p, i)
			require.NoError(t, err)
			v, err := f.Wait(background())
			require.NoError(t, err)
			require.Equal(t, i+1, v)
			require.True(t, waitsLong(), "it was given the role")
		}
		long.Cancel()
		require.NoError(t, <-waited)
		require.False(t, waitsLong())
	})
}
