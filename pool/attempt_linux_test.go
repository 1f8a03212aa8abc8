package pool

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// Each attempt is a line, whatever it came to, and a task that was never begun has none.
func TestAttempts(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		log, before := &jobLog{}, time.Now().Round(0)
		opts.OnAttempt = log.add
		p := newPool(t, &opts)
		slow, err := pid.Submit(background(), p, 20*time.Millisecond)
		require.NoError(t, err)
		own, err := slow.Wait(background())
		require.NoError(t, err)

		failed := map[string]Future[int]{}
		for _, how := range []string{"error", "panic", "goexit"} {
			failed[how], err = misbehave.Submit(background(), p, how)
			require.NoError(t, err)
			_, err = failed[how].Wait(background())
			require.Error(t, err)
		}
		pair, err := makePair.Submit(background(), p, 4) // a result with Views
		require.NoError(t, err)
		out, err := pair.Wait(background())
		require.NoError(t, err)
		out.A.Release()
		out.B.Release()

		// Both workers have one, and another waits.
		attempts := p.Stats().Attempts
		one, err := failWhenCancelled.Submit(background(), p, struct{}{})
		require.NoError(t, err)
		two, err := untilCancelled.Submit(background(), p, struct{}{})
		require.NoError(t, err)
		eventually(t, func() bool { return p.Stats().Attempts == attempts+2 }, "not begun")
		never, err := pid.Submit(background(), p, 0)
		require.NoError(t, err)
		never.Cancel()
		one.Cancel()
		two.Cancel()
		_, err = never.Wait(background())
		require.ErrorIs(t, err, ErrCancelled)
		_, err = one.Wait(background())
		require.ErrorIs(t, err, ErrCancelled)
		_, err = two.Wait(background())
		require.NoError(t, err)

		n, numbers := 0, map[uint64]bool{}
		for r, err := range addOne.Map(background(), p, upTo(100, &n)) {
			require.NoError(t, err)
			numbers[r.TaskNumber] = true
		}
		n = 0
		for r, err := range addOne.MapUnordered(background(), p, upTo(100, &n)) {
			require.NoError(t, err)
			numbers[r.TaskNumber] = true
		}
		require.Len(t, numbers, 200)
		require.NoError(t, p.Close(background()))
		after := time.Now()

		require.Equal(t, uint64(1), slow.TaskNumber())
		a := log.requireOne(t, slow.TaskNumber(), "", "")
		require.Equal(t, own, a.PID)
		require.Equal(t, "test.pid", a.Func)
		require.GreaterOrEqual(t, a.Wall, 20*time.Millisecond)
		for how, f := range failed {
			a := log.requireOne(t, f.TaskNumber(), how, "")
			var own *TaskError
			require.ErrorAs(t, a.Err, &own)
			require.Equal(t, how, own.Kind)
		}
		log.requireOne(t, pair.TaskNumber(), "", "")
		require.ErrorIs(t, log.requireOne(t, one.TaskNumber(), "cancelled", "").Err, ErrCancelled)
		log.requireOne(t, two.TaskNumber(), "", "")
		require.Empty(t, log.of(never.TaskNumber()), "it was never begun")
		for task := range numbers {
			require.Equal(t, "test.addOne", log.requireOne(t, task, "", "").Func)
		}
		require.Len(t, log.of(0), 207)
		require.Equal(t, int64(207), p.Stats().Attempts)
		pids := map[int]int{}
		for _, w := range p.Stats().Workers {
			pids[w.Incarnation] = w.PID
		}
		for _, a := range log.of(0) {
			require.Equal(t, pids[a.Incarnation], a.PID)
			require.Equal(t, 1, a.Attempt)
			require.Contains(t, []int{0, 1}, a.Worker)
			require.Contains(t, []int{1, 2}, a.Incarnation)
			require.False(t, a.Start.Before(before), "%v before %v", a.Start, before)
			require.False(t, a.Start.Add(a.Wall).After(after))
			require.Positive(t, a.Wall)
			require.Equal(t, opts.Isolation == Process, a.PeakPrivate > 0)
		}
	})
}

// An attempt that a death has ended is told of, and so is the one that follows.
func TestAttemptsLost(t *testing.T) {
	log := &jobLog{}
	p := newPool(t, &Options{
		Workers: 2, Replacement: Replacement{KeepWidth: true}, Attempts: 2, OnAttempt: log.add,
		TaskTimeout: 200 * time.Millisecond, Timeouts: Timeouts{Cancel: 20 * time.Millisecond},
	})
	x, err := shm.PutCopy(p.Arena(), []float64{42})
	require.NoError(t, err)
	mark := filepath.Join(t.TempDir(), "mark")
	retried, err := die.Submit(background(), p, dieIn{"sigkill", mark, x.View()})
	require.NoError(t, err)
	x.Release()
	_, err = retried.Wait(background())
	require.NoError(t, err)

	late := submitWork(t, p, workIn{How: "deaf"})
	_, err = late.Wait(background())
	require.ErrorIs(t, err, ErrWorkerDied)

	attempts := p.Stats().Attempts
	deaf := submitWork(t, p, workIn{How: "deaf"})
	eventually(t, func() bool { return p.Stats().Attempts == attempts+1 }, "not begun")
	deaf.Cancel()
	_, err = deaf.Wait(background())
	require.ErrorIs(t, err, ErrCancelled)
	require.NoError(t, p.Close(background()))

	require.Equal(t, p.Stats().Attempts, int64(len(log.of(0))))
	lines := log.of(retried.TaskNumber())
	require.Len(t, lines, 2)
	if lines[0].Attempt == 2 { // the death takes a while to be known
		lines[0], lines[1] = lines[1], lines[0]
	}
	require.Equal(t, ExitSignal, lines[0].Exit)
	require.Empty(t, lines[0].Kind)
	require.Equal(t, 1, lines[0].Attempt)
	require.Positive(t, lines[0].Wall)
	var death *WorkerExitError
	require.ErrorAs(t, lines[0].Err, &death)
	require.Equal(t, lines[0].PID, death.PID)
	require.Equal(t, lines[0].Incarnation, death.Incarnation)
	require.Empty(t, lines[1].Exit)
	require.Empty(t, lines[1].Kind)
	require.Equal(t, 2, lines[1].Attempt)
	require.NotEqual(t, lines[0].PID, lines[1].PID)

	lines = log.of(late.TaskNumber())
	require.Len(t, lines, 2)
	for _, a := range lines {
		require.Equal(t, ExitDeadline, a.Exit)
		require.GreaterOrEqual(t, a.Wall, p.opts.TaskTimeout)
		require.Less(t, a.CPU, a.Wall/2, "it slept")
	}
	log.requireOne(t, deaf.TaskNumber(), "", ExitCancel)
}

// burn computes for some CPU time of its thread, and then dies, if it is to.
var burn = Func("test.burn", func(t *Task, in workIn) (int, error) {
	used := func() time.Duration {
		var u unix.Rusage
		unix.Getrusage(unix.RUSAGE_THREAD, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	for from := used(); used()-from < in.For; {
		for range 100_000 {
			in.N++
		}
	}
	if in.How == "die" {
		unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	}
	return in.N, nil
})

func TestAttemptsCost(t *testing.T) {
	const busy = 100 * time.Millisecond
	bothIsolations(t, func(t *testing.T, opts Options) {
		log := &jobLog{}
		opts.OnAttempt, opts.Attempts = log.add, 1
		p := newPool(t, &opts)
		spinner, err := burn.Submit(background(), p, workIn{For: busy})
		require.NoError(t, err)
		_, err = spinner.Wait(background())
		require.NoError(t, err)
		sleeper := submitWork(t, p, workIn{How: "sleep", For: busy})
		requireAttempt(t, sleeper, 1)
		const kept = 32 << 20
		var keeper, dier Future[int]
		if opts.Isolation == Process {
			keeper = submitWork(t, p, workIn{How: "keep", N: kept})
			requireAttempt(t, keeper, 1)
			dier, err = burn.Submit(background(), p, workIn{For: busy, How: "die"})
			require.NoError(t, err)
			_, err = dier.Wait(background())
			require.ErrorIs(t, err, ErrWorkerDied)
		}
		require.NoError(t, p.Close(background()))

		a := log.requireOne(t, spinner.TaskNumber(), "", "")
		require.Greater(t, a.CPU, busy*3/4)
		require.Greater(t, a.Wall, busy*3/4)
		a = log.requireOne(t, sleeper.TaskNumber(), "", "")
		require.Less(t, a.CPU, a.Wall/2)
		require.GreaterOrEqual(t, a.Wall, busy)
		if opts.Isolation == Process {
			require.Greater(t, log.requireOne(t, keeper.TaskNumber(), "", "").PeakPrivate, int64(kept))
			a = log.requireOne(t, dier.TaskNumber(), "", ExitSignal)
			require.Greater(t, a.CPU, busy*3/4)
			require.Greater(t, a.Wall, busy*3/4)
		}
	})
}

// However many workers die, each attempt is told of exactly once: those of a task are
// all there, and the last is the one that was done.
func TestAttemptsInStorm(t *testing.T) {
	log := &jobLog{}
	p := newPool(t, &Options{Workers: 3, Replacement: Replacement{Spares: 1, KeepWidth: true, AfterTasks: 50}, Attempts: 100, OnAttempt: log.add})
	var fs []Future[int]
	for range 200 {
		fs = append(fs, submitWork(t, p, workIn{How: "sleep", For: 2 * time.Millisecond}))
	}
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			case <-time.After(15 * time.Millisecond):
			}
			p.mu.Lock()
			if w := p.slots.all[rand.N(len(p.slots.all))]; w.link != nil {
				w.proc.Kill()
			}
			p.mu.Unlock()
		}
	}()
	const n = 2000
	rangeErr := resting.ForRange(background(), p, 0, n, &RangeOptions{Grain: 10})
	for _, f := range fs {
		_, err := f.Wait(background())
		require.NoError(t, err)
	}
	close(stop)
	<-stopped
	require.NoError(t, rangeErr)
	require.NoError(t, p.Close(background()))

	lost := 0
	require.NotEmpty(t, settled(t, p).Deaths)
	require.Equal(t, p.Stats().Attempts, int64(len(log.of(0))))
	for _, f := range fs {
		lines := log.of(f.TaskNumber())
		told := map[int]ExitClass{}
		for _, a := range lines {
			told[a.Attempt] = a.Exit
			require.Empty(t, a.Kind)
		}
		require.Len(t, told, len(lines), "one was told twice")
		for i := 1; i < len(lines); i++ {
			require.Equal(t, ExitSignal, told[i])
			lost++
		}
		class, ok := told[len(lines)]
		require.True(t, ok)
		require.Empty(t, class)
	}
	require.Equal(t, p.Stats().Retries, int64(lost))
	done := 0
	for _, a := range log.of(0) {
		if a.Func == resting.e.name && a.Kind == "" && a.Exit == "" {
			done += a.Hi - a.Lo
		}
	}
	require.Equal(t, n, done)
}

var resting = RangeFunc("test.resting", func(t *Task, _ int, lo, hi int) error {
	time.Sleep(time.Duration(hi-lo) * 50 * time.Microsecond)
	return nil
})

// A worker that says what cannot be is told of within bounds; one that says nothing
// breaks the protocol.
func TestHostileUsage(t *testing.T) {
	log := &jobLog{}
	p, free := busyPool(t, &Options{OnAttempt: log.add})
	u := newPuppet(t, p)
	var fs []Future[int]
	for _, says := range []wire.Usage{
		{},
		{Start: math.MinInt64, Wall: math.MinInt64, CPU: math.MinInt64, Private: math.MinInt64},
		{Start: math.MaxInt64, Wall: math.MaxInt64, CPU: math.MaxInt64, Private: math.MaxInt64},
		{Start: -1, Wall: -1, CPU: -1, Private: -1},
	} {
		f, err := pid.Submit(background(), p, 0)
		require.NoError(t, err)
		u.put(says.Append(append(wire.AppendResult(nil, wire.StatusOK, u.task()), make([]byte, 8)...)))
		_, err = f.Wait(background())
		require.NoError(t, err)
		fs = append(fs, f)
	}
	// It dies under one of which it has noted the impossible.
	lost, err := pid.Submit(background(), p, 0)
	require.NoError(t, err)
	id := u.task()
	u.lane.Begun.Store(id, time.Unix(0, -1<<63), -1<<63)
	u.put(wire.AppendResult(nil, wire.StatusOK, id)) // shorter than what it is to say
	require.ErrorContains(t, <-u.end, "12 bytes, without what it has used")
	free()
	_, err = lost.Wait(background())
	require.NoError(t, err)
	require.NoError(t, p.Close(background()))

	for _, f := range fs {
		log.requireOne(t, f.TaskNumber(), "", "")
	}
	lines := log.of(lost.TaskNumber())
	require.Len(t, lines, 2)
	require.ElementsMatch(t, []ExitClass{ExitProtocol, ""}, []ExitClass{lines[0].Exit, lines[1].Exit})
	for _, a := range log.of(0) {
		require.GreaterOrEqual(t, a.Wall, time.Duration(0))
		require.GreaterOrEqual(t, a.CPU, time.Duration(0))
		require.Less(t, a.Wall, time.Minute)
		require.Less(t, time.Since(a.Start), time.Minute)
		require.False(t, a.Start.After(time.Now()))
		require.GreaterOrEqual(t, a.PeakPrivate, int64(0))
		require.LessOrEqual(t, a.PeakPrivate, int64(wire.MaxPrivate))
	}
}
