package pool

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A task that runs too long, one that does not hear that it was cancelled and one
// that is stopped each cost their worker and nobody else anything.
func TestWatchdogKills(t *testing.T) {
	p := newPool(t, &Options{Workers: 2, Attempts: 1, TaskTimeout: 400 * time.Millisecond, Timeouts: Timeouts{Cancel: 100 * time.Millisecond, Stop: 100 * time.Millisecond}, Replacement: Replacement{KeepWidth: true}})
	allUp(t, p, 2)
	for _, class := range []ExitClass{ExitDeadline, ExitCancel, ExitStopped} {
		began := time.Now()
		f := submitWork(t, p, workIn{How: "deaf"})
		bystander := submitWork(t, p, workIn{How: "sleep", For: 50 * time.Millisecond})
		var pid int
		eventually(t, func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			for _, w := range p.sched.workers {
				if r := w.runningLocked(); r != nil && r.id == f.id {
					pid = w.proc.PID()
				}
			}
			return pid != 0
		}, "it does not run")
		switch class {
		case ExitCancel:
			f.Cancel()
		case ExitStopped:
			stop(t, pid)
		}
		_, err := f.Wait(background())
		require.Less(t, time.Since(began), 400*time.Millisecond+time.Second)
		var death *WorkerExitError
		require.ErrorAs(t, err, &death)
		require.Equal(t, class, death.Class)
		if class == ExitCancel {
			require.ErrorIs(t, err, ErrCancelled)
		}
		require.Contains(t, fmt.Sprint(death.Last), "task test.work")
		requireAttempt(t, bystander, 1)
		require.Equal(t, int64(1), settled(t, p).Deaths[class])
	}
}

// A supervisor that was stopped for long blames nobody when it goes on.
func TestStoppedSupervisorBlamesNobody(t *testing.T) {
	for10 := 2 * time.Second
	if os.Getenv("HANDOFF_SOAK") != "" {
		for10 = 10 * time.Second
	}
	cmd := program("stopped supervisor", fmt.Sprint(for10))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	require.Equal(t, "runs", readLine(t, out))
	stop(t, cmd.Process.Pid)
	time.Sleep(for10)
	require.NoError(t, unix.Kill(cmd.Process.Pid, unix.SIGCONT))
	require.Equal(t, "map[] 1", readLine(t, out))
	require.NoError(t, cmd.Wait())
}

func init() {
	programs["stopped supervisor"] = func(args []string) {
		d, _ := time.ParseDuration(args[0])
		p, err := New(background(), &Options{Workers: 2, TaskTimeout: d * 3 / 4, Timeouts: Timeouts{Stop: d / 2}})
		if err != nil {
			fmt.Println(err)
			return
		}
		f, _ := work.Submit(background(), p, workIn{How: "sleep", For: d / 4})
		fmt.Println("runs")
		time.Sleep(d / 8) // the watchdog looks
		v, err := f.Wait(background())
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(p.Stats().Deaths, v)
		p.Close(background())
	}
}

// Workers are replaced between two tasks: after so many, and when they have grown.
func TestRecycle(t *testing.T) {
	t.Run("tasks", func(t *testing.T) {
		p := newPool(t, &Options{Workers: 2, Replacement: Replacement{AfterTasks: 10}})
		n := 0
		for r, err := range pid.Map(background(), p, make100) {
			require.NoError(t, err)
			require.Positive(t, r.Value)
			n++
		}
		require.Equal(t, 100, n)
		s := p.Stats()
		require.Empty(t, s.Deaths)
		require.Equal(t, int64(100), s.Attempts)
		eventually(t, func() bool { return p.Stats().Retired >= 8 }, "not ten for a hundred")
		for _, w := range s.Workers {
			require.LessOrEqual(t, w.Tasks, int64(10))
		}
	})
	t.Run("memory", func(t *testing.T) {
		p := newPool(t, &Options{Workers: 1, Replacement: Replacement{AboveMemory: 64 << 20}, Timeouts: Timeouts{Stop: 80 * time.Millisecond}})
		first := allUp(t, p, 1)[0].PID
		eventually(t, func() bool {
			requireAttempt(t, submitWork(t, p, workIn{How: "keep", N: 8 << 20}), 1)
			requireAttempt(t, submitWork(t, p, workIn{How: "sleep", For: 30 * time.Millisecond}), 1)
			return p.Stats().Retired > 0
		}, "it grows and grows")
		require.NotEqual(t, first, allUp(t, p, 1)[0].PID)
		require.Empty(t, p.Stats().Deaths)
	})
}

// A range goes on over workers that are replaced after some blocks.
func TestRecycleInRange(t *testing.T) {
	p := newPool(t, &Options{Workers: 2, Replacement: Replacement{AfterTasks: 5}})
	for range 5 {
		got, err := count.Reduce(background(), p, 0, 100_000, nil)
		require.NoError(t, err)
		require.Equal(t, sumTo(100_000), got.Sum)
		for _, err := range pid.Map(background(), p, make100) {
			require.NoError(t, err)
		}
	}
	require.Positive(t, p.Stats().Retired)
	require.Empty(t, p.Stats().Deaths)
}

// Blocks of a range that take too long are tried again in halves; an index that does
// alone ends the range.
func TestDeadlineInRange(t *testing.T) {
	p := newPool(t, &Options{Workers: 2, TaskTimeout: 200 * time.Millisecond, Timeouts: Timeouts{Close: 100 * time.Millisecond}})
	require.NoError(t, slowRange.ForRange(background(), p, 10*time.Millisecond, 200, nil)) // blocks of up to 34
	s := settled(t, p)
	require.Positive(t, s.Deaths[ExitDeadline])
	t.Logf("%v, %d attempts", s.Deaths, s.Attempts)
	err := slowRange.ForRange(background(), p, time.Hour, 4, nil)
	var death *WorkerExitError
	require.ErrorAs(t, err, &death)
	require.Equal(t, ExitDeadline, death.Class)
	require.Equal(t, 1, death.Hi-death.Lo)
}

var slowRange = RangeFunc("test.slowRange", func(_ *Task, each time.Duration, lo, hi int) error {
	time.Sleep(time.Duration(hi-lo) * each)
	return nil
})
