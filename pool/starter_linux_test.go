package pool

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// where is what a worker finds; the first attempt dies.
var where = Func("test.where", func(t *Task, die bool) (string, error) {
	if die && t.Attempt() == 1 {
		unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	}
	dir, err := os.Getwd()
	return fmt.Sprint(dir, " ", os.Args, " ", os.Getenv("LC_TEST"), " ", os.Getenv("OTHER"), " ", t.Attempt()), err
})

// fatally dies as Go ends a program.
var fatally = Func("test.fatally", func(t *Task, how string) (int, error) {
	unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	if how == "memory" {
		go func() { _ = make([]byte, 1<<46) }()
	} else {
		go panic("in a goroutine")
	}
	select {}
})

func init() {
	programs["moves"] = func([]string) {
		os.Setenv("LC_TEST", "old")
		os.Setenv("OTHER", "old")
		p, err := New(background(), &Options{Workers: 1, Env: []string{"OTHER"}})
		if err != nil {
			fmt.Println(err)
			return
		}
		before, _ := os.Getwd()
		os.Chdir("/proc")
		os.Setenv("LC_TEST", "new")
		os.Unsetenv("OTHER")
		name := os.Args[0]
		os.Args = nil
		f, _ := where.Submit(background(), p, true)
		got, err := f.Wait(background())
		fmt.Println(got == fmt.Sprint(before, " ", []string{name}, " old old 2"), got, err)
		p.Close(background())
		p, err = New(background(), &Options{Workers: 1})
		if err != nil {
			fmt.Println(err)
			return
		}
		f, _ = where.Submit(background(), p, false)
		got, err = f.Wait(background())
		fmt.Println(got == "/proc [worker] new  1", got, err)
		p.Close(background())
	}
}

// A worker that is replaced begins where the others did, wherever the program is now,
// and a program may have no arguments.
func TestReplacedWorkerBeginsWhereOthersDid(t *testing.T) {
	out, err := program("moves").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Regexp(t, `^true .* <nil>\ntrue .* <nil>\n$`, string(out))
}

// With GOTRACEBACK=crash Go ends a program by SIGABRT.
func TestFatalWithTracebackCrash(t *testing.T) {
	p := newPool(t, &Options{Workers: 1, Attempts: 1, Replacement: Replacement{KeepWidth: true}, Env: []string{"GOTRACEBACK=crash"}})
	for how, class := range map[string]ExitClass{"panic": ExitFatal, "memory": ExitOOM} {
		if raceEnabled && how == "memory" {
			continue // the race detector ends the program first, in words of its own
		}
		f, err := fatally.Submit(background(), p, how)
		require.NoError(t, err)
		_, err = f.Wait(background())
		var death *WorkerExitError
		require.ErrorAs(t, err, &death)
		require.Equal(t, "aborted", death.Signal)
		require.Equal(t, class, death.Class, err)
	}
}

// Stats waits neither for what a death was of nor for whoever polls.
func TestStatsWaitsForNothing(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	p.mu.Lock()
	p.slots.reapsPending++
	p.mu.Unlock()
	within(t, func() { require.Equal(t, 1, p.Stats().Dying) })
	p.mu.Lock()
	p.slots.reapsPending--
	p.mu.Unlock()
	require.Zero(t, p.Stats().Dying)
}
