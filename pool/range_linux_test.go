package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/rangejob"
	"example.com/handoff/shm"
)

type squareIn struct {
	X    shm.View[float64]
	Out  shm.Array[float64]
	How  string
	Mark string
}

var squares = RangeFunc("test.squares", func(t *Task, in squareIn, lo, hi int) error {
	x, out := in.X.Data(), in.Out.Data()
	for i := lo; i < hi; i++ {
		out[i] = x[i] * x[i]
	}
	if lo <= 500 && 500 < hi {
		switch in.How {
		case "error":
			return errors.New("no luck")
		case "panic":
			panic("oh no")
		case "die once":
			if f, err := os.OpenFile(in.Mark, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
				f.Close()
				unix.Kill(os.Getpid(), unix.SIGKILL)
			}
		case "die":
			unix.Kill(os.Getpid(), unix.SIGKILL)
		case "store":
			x[501] = 1
		case "wait":
			<-t.Context().Done()
			return t.Context().Err()
		}
	}
	return nil
})

// rangeArrays are an input and an output of n elements.
func rangeArrays(t testing.TB, p *Pool, n int) (in squareIn, out shm.Array[float64]) {
	t.Helper()
	x, err := shm.Make[float64](p.Arena(), n)
	require.NoError(t, err)
	for i := range x.Data() {
		x.Data()[i] = float64(i)
	}
	out, err = shm.Make[float64](p.Outputs(), n)
	require.NoError(t, err)
	t.Cleanup(x.Release)
	t.Cleanup(out.Release)
	return squareIn{X: x.View(), Out: out}, out
}

func requireSquares(t testing.TB, out shm.Array[float64]) {
	t.Helper()
	for i, v := range out.Data() {
		if v != float64(i)*float64(i) {
			t.Fatalf("element %d is %v", i, v)
		}
	}
}

func TestForRange(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		opts.Workers = 3
		p := newPool(t, &opts)
		for _, n := range []int{0, 1, 2, 63, 1000, 100_000} {
			for _, grain := range []int{0, 1, 7, 1 << 40} {
				in, out := rangeArrays(t, p, max(n, 1))
				require.NoError(t, squares.ForRange(background(), p, in, n, &RangeOptions{Grain: grain}))
				if n > 0 {
					requireSquares(t, out)
				}
				total, err := count.Reduce(background(), p, 5, n, &RangeOptions{Grain: grain})
				require.NoError(t, err)
				require.Equal(t, int64(n), total.N)
				require.Equal(t, sumTo(int64(n))+5*int64(n), total.Sum)
			}
		}
		require.Empty(t, p.Stats().Deaths)
		p.mu.Lock()
		defer p.mu.Unlock()
		require.Empty(t, p.ranges.running)
		require.Zero(t, p.tasks.unresolved)
		require.False(t, p.leader.held)
	})
}

// The same blocks are merged in the same order whoever does them.
func TestReduceIsDeterministic(t *testing.T) {
	p := newPool(t, &Options{Workers: 2})
	first, err := count.Reduce(background(), p, 0, 100_003, nil)
	require.NoError(t, err)
	for range 50 {
		again, err := count.Reduce(background(), p, 0, 100_003, nil)
		require.NoError(t, err)
		require.Equal(t, first, again)
	}
}

func TestRangeRefuses(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	in, _ := rangeArrays(t, p, 10)
	require.ErrorContains(t, squares.ForRange(background(), p, in, -1, nil), "n is -1")
	require.ErrorContains(t, squares.ForRange(background(), p, in, 1, &RangeOptions{Grain: -1}), "Grain -1")
	ctx, cancel := context.WithCancel(background())
	cancel()
	require.ErrorIs(t, squares.ForRange(ctx, p, in, 10, nil), context.Canceled)
	gone, err := shm.PutCopy(p.Arena(), []float64{1})
	require.NoError(t, err)
	gone.Release()
	require.ErrorIs(t, squares.ForRange(background(), p, squareIn{X: gone.View(), Out: in.Out}, 1, nil), shm.ErrReleased)
	require.Panics(t, func() {
		ReduceFunc("test.viewOfRange", func(*Task, int, int, int) (v shm.View[int32], err error) { return v, nil }, nil)
	})
	require.NoError(t, p.Close(background()))
	require.ErrorIs(t, squares.ForRange(background(), p, in, 10, nil), ErrClosed)
}

// A failure is the function's own, says where, and ends the range; the next one
// is none the worse.
func TestRangeFails(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		opts.Workers = 2
		p := newPool(t, &opts)
		in, out := rangeArrays(t, p, 10_000)
		for how, want := range map[string]string{"error": "no luck", "panic": "oh no", "store": "element 501 of input squareIn.X"} {
			if how == "store" && opts.Isolation == Goroutine {
				continue
			}
			in.How = how
			err := squares.ForRange(background(), p, in, 10_000, nil)
			var own *TaskError
			require.ErrorAs(t, err, &own, how)
			require.ErrorContains(t, err, want)
			require.Regexp(t, `\[\d+, \d+\): `, err)
		}
		in.How = ""
		require.NoError(t, squares.ForRange(background(), p, in, 10_000, nil))
		requireSquares(t, out)
	})
}

func TestRangeUnderContext(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		opts.Workers = 2
		p := newPool(t, &opts)
		in, out := rangeArrays(t, p, 1000)
		in.How = "wait"
		ctx, cancel := context.WithTimeout(background(), 30*time.Millisecond)
		defer cancel()
		require.ErrorIs(t, squares.ForRange(ctx, p, in, 1000, nil), context.DeadlineExceeded)
		eventually(t, func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return len(p.ranges.running) == 0 && p.tasks.unresolved == 0
		}, "a range that was left goes on")
		in.How = ""
		require.NoError(t, squares.ForRange(background(), p, in, 1000, nil))
		requireSquares(t, out)
	})
}

// Many at once, beside tasks, from several goroutines.
func TestRangesAtOnce(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		opts.Workers = 2
		p := newPool(t, &opts)
		var all sync.WaitGroup
		for g := range 8 {
			all.Go(func() {
				for i := range 20 {
					n := 1 + (g*7919+i*104729)%5000
					if got, err := count.Reduce(background(), p, g, n, nil); err != nil || got.N != int64(n) || got.Sum != sumTo(int64(n))+int64(g*n) {
						t.Errorf("%d: %+v %v", n, got, err)
					}
					f, err := addOne.Submit(background(), p, int64(i))
					if err == nil {
						_, err = f.Wait(background())
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
	})
	p := newPool(t, &Options{Workers: 1})
	in, _ := rangeArrays(t, p, 1000)
	in.How = "wait"
	ctx, cancel := context.WithCancel(background())
	defer cancel()
	var all sync.WaitGroup
	for range lane.MaxRanges {
		all.Go(func() { squares.ForRange(ctx, p, in, 1000, nil) })
	}
	eventually(t, func() bool { p.mu.Lock(); defer p.mu.Unlock(); return len(p.ranges.running) == lane.MaxRanges }, "not all begun")
	soon, cancelSoon := context.WithTimeout(background(), 20*time.Millisecond)
	defer cancelSoon()
	require.ErrorIs(t, squares.ForRange(soon, p, in, 1000, nil), context.DeadlineExceeded)
	in.How = ""
	all.Go(func() {
		if err := squares.ForRange(background(), p, in, 1000, nil); err != nil {
			t.Error(err)
		}
	})
	cancel()
	all.Wait()
}

// Between two blocks a worker makes way for what others want.
func TestRangeMakesWay(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		opts.Workers = 2
		p := newPool(t, &opts)
		ctx, cancel := context.WithCancel(background())
		defer cancel()
		ended := make(chan error)
		go func() { ended <- naps.ForRange(ctx, p, 100, 1_000_000, nil) }()
		eventually(t, func() bool { return p.Stats().Attempts > 0 }, "not begun")
		for i := range int64(4) {
			f, err := addOne.Submit(background(), p, i)
			require.NoError(t, err)
			_, err = f.Wait(background())
			require.NoError(t, err)
			got, err := count.Reduce(background(), p, 0, 100, nil)
			require.NoError(t, err)
			require.Equal(t, int64(100), got.N)
		}
		select {
		case err := <-ended:
			require.Fail(t, "the long range has ended", "%v", err)
		default:
		}
		cancel()
		require.ErrorIs(t, <-ended, context.Canceled)
	})
}

// naps sleeps a little for each block, however large it is.
var naps = RangeFunc("test.naps", func(_ *Task, ms, lo, hi int) error {
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return nil
})

// A death costs the block that was running one attempt, and nothing else; the
// block that always kills ends the range.
func TestDeathInRange(t *testing.T) {
	p := newPool(t, &Options{Workers: 2})
	in, out := rangeArrays(t, p, 20_000)
	in.How, in.Mark = "die once", filepath.Join(t.TempDir(), "mark")
	require.NoError(t, squares.ForRange(background(), p, in, 20_000, nil))
	requireSquares(t, out)
	require.Equal(t, map[ExitClass]int64{ExitSignal: 1}, settled(t, p).Deaths)
	blocks := rangejob.Cut(20_000, 0, 2)
	require.Equal(t, int64(blocks.Count)+1, p.Stats().Attempts)

	in.How = "die"
	err := squares.ForRange(background(), p, in, 20_000, nil)
	require.ErrorIs(t, err, ErrWorkerDied)
	require.Regexp(t, `running test.squares \[\d+, \d+\), attempt 3`, err)
	require.Equal(t, int64(4), settled(t, p).Deaths[ExitSignal])
	in.How = ""
	require.NoError(t, squares.ForRange(background(), p, in, 20_000, nil))
}

func TestCloseDuringRange(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		opts.Workers = 2
		p := newPool(t, &opts)
		in, _ := rangeArrays(t, p, 1000)
		in.How = "wait"
		done := make(chan error)
		go func() { done <- squares.ForRange(background(), p, in, 1000, nil) }()
		eventually(t, func() bool { return p.Stats().Attempts > 0 }, "not begun")
		require.NoError(t, p.Close(background()))
		require.ErrorIs(t, <-done, ErrClosed)
	})
}

// Workers are killed all the time: no index is lost, none is counted twice.
func TestRangeUnderKills(t *testing.T) {
	total := 200_000
	switch {
	case os.Getenv("HANDOFF_SOAK") != "":
		total = 10_000_000
	case raceEnabled:
		total = 20_000
	}
	p := newPool(t, &Options{Workers: 4, Replacement: Replacement{KeepWidth: true}, Attempts: 250})
	stop := make(chan struct{})
	var killer sync.WaitGroup
	killer.Go(func() {
		rnd := rand.New(rand.NewPCG(7, 7))
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(rnd.IntN(8)) * time.Millisecond):
			}
			p.mu.Lock()
			if n := len(p.sched.workers); n > 0 {
				p.sched.workers[rnd.IntN(n)].proc.Kill()
			}
			p.mu.Unlock()
		}
	})
	const each = 2000
	for at := 0; at < total || p.Stats().Deaths[ExitSignal] < 10; at += each {
		got, err := count.Reduce(background(), p, at, each, &RangeOptions{Grain: 1 + at/each%5})
		require.NoError(t, err)
		require.Equal(t, int64(each), got.N)
		require.Equal(t, sumTo(each)+int64(at)*each, got.Sum)
	}
	close(stop)
	killer.Wait()
	t.Log(fmt.Sprint(p.Stats().Deaths, " ", p.Stats().Attempts, " blocks"))
	require.Zero(t, p.Stats().dropped)
}
