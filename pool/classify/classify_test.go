package classify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func needsLinux(t *testing.T) {
	if runtime.GOOS != "linux" {
		_, err := Func(t.Context(), func(context.Context) error { return nil }, nil)
		require.ErrorIs(t, err, errors.ErrUnsupported)
		t.Skip("classifying needs Linux")
	}
}

func spin(d time.Duration) {
	for begin := time.Now(); time.Since(begin) < d; {
	}
}

func TestMistakes(t *testing.T) {
	require.PanicsWithValue(t, "classify: Func: fn is nil", func() { Func(t.Context(), nil, nil) })
	for _, o := range []Options{{Repeats: -1}, {MinSample: -1}, {MaxCalls: -1}, {PayloadBytes: -1}} {
		_, err := Command(t.Context(), []string{"true"}, &o)
		require.ErrorContains(t, err, "classify: Options: negative value in", "%+v", o)
	}
	_, err := Command(t.Context(), nil, nil)
	require.ErrorContains(t, err, "no command")
}

// busyMachine reports whether a thread that only computes is kept waiting for a
// core for a tenth of the time.
func busyMachine(t *testing.T) bool {
	t.Helper()
	c, err := Func(t.Context(), func(context.Context) error { spin(50 * time.Millisecond); return nil }, nil)
	require.NoError(t, err)
	return c.CPUWait > c.Wall/10
}

// A thread's CPU time must be of now, not of the last scheduler tick: then a
// sample shorter than a tick would show no CPU at all, or that of a whole tick.
func TestBelowOneTick(t *testing.T) {
	needsLinux(t)
	var c Verdict
	for range 8 { // the load of the machine can lower the ratio, nothing can raise it
		var err error
		c, err = Func(t.Context(), func(context.Context) error { spin(1200 * time.Microsecond); return nil },
			&Options{Repeats: 25, MinSample: time.Millisecond})
		require.NoError(t, err)
		if c.Clock == ClockThread && c.CPUToWallMax < 1.5 && c.CPUToWallMax > 0.7 && c.CPUToWall > 0.3 {
			return
		}
	}
	t.Errorf("got ratios from %.2f to %.2f, want about 1: %s", c.CPUToWallMin, c.CPUToWallMax, c.Reason)
}

func TestCalls(t *testing.T) {
	needsLinux(t)
	n := 0
	fn := func(context.Context) error { n++; time.Sleep(2 * time.Millisecond); return nil }
	c, err := Func(t.Context(), fn, &Options{Repeats: 1, MaxCalls: 1, MinSample: time.Millisecond})
	require.NoError(t, err)
	require.Equal(t, 1, n, "asked for exactly one call")
	require.Equal(t, 1, c.Calls)

	n = 0
	c, err = Func(t.Context(), fn, &Options{Repeats: 2})
	require.NoError(t, err)
	require.Equal(t, n, c.Calls)
	require.Greater(t, n, 2, "short calls are repeated within a sample")
}

func TestTooShort(t *testing.T) {
	needsLinux(t)
	_, err := Func(t.Context(), func(context.Context) error { return nil }, &Options{MaxCalls: 1})
	require.ErrorIs(t, err, ErrTooShort)
	require.ErrorContains(t, err, "at least 50.0 ms is needed; give it more data or raise MaxCalls")

	_, err = Command(t.Context(), []string{"true"}, &Options{MinSample: time.Hour})
	require.ErrorIs(t, err, ErrTooShort)
	require.ErrorContains(t, err, "at least 3600 s is needed; give it more data")
}

func TestFunctionFails(t *testing.T) {
	needsLinux(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	mine := errors.New("mine")
	for _, tt := range []struct {
		name string
		fn   func(context.Context) error
		is   error
		text string
	}{
		{"error", func(context.Context) error { return mine }, mine, "the function failed: mine"},
		{"panic", func(context.Context) error { panic("ouch 42") }, nil, "the function panicked: ouch 42\ngoroutine "},
		{"panic, stack", func(context.Context) error { panic(7) }, nil, "TestFunctionFails"},
		{"panic with an error", func(context.Context) error { panic(mine) }, mine, "the function panicked: mine"},
		{"Goexit", func(context.Context) error { runtime.Goexit(); return nil }, nil, "runtime.Goexit"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Func(t.Context(), tt.fn, nil)
			require.ErrorContains(t, err, tt.text)
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
		})
	}
}

func TestFunctionCancelled(t *testing.T) {
	needsLinux(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for _, tt := range []struct {
		name string
		fn   func(ctx context.Context, release chan struct{}) error
	}{
		{"heeds ctx", func(ctx context.Context, _ chan struct{}) error { <-ctx.Done(); return ctx.Err() }},
		{"cut short", func(ctx context.Context, _ chan struct{}) error { <-ctx.Done(); return nil }},
		{"ignores ctx", func(_ context.Context, release chan struct{}) error { <-release; return nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			release := make(chan struct{})
			ctx, cancel := context.WithCancel(t.Context())
			_, err := Func(ctx, func(ctx context.Context) error {
				cancel()
				return tt.fn(ctx, release)
			}, nil)
			require.ErrorIs(t, err, context.Canceled)
			close(release)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := Func(ctx, func(context.Context) error { panic("must not run") }, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestCommandFails(t *testing.T) {
	needsLinux(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	exit := func(t *testing.T, err error, code int) {
		var e *exec.ExitError
		require.ErrorAs(t, err, &e)
		require.Equal(t, code, e.ExitCode())
	}
	for _, tt := range []struct {
		name  string
		argv  []string
		check func(t *testing.T, err error)
		text  string
	}{
		{"missing", []string{"handoff-no-such-command"}, func(t *testing.T, err error) { require.ErrorIs(t, err, exec.ErrNotFound) }, "handoff-no-such-command"},
		{"a directory", []string{"/"}, func(t *testing.T, err error) { require.Error(t, err) }, `"/"`},
		{"exit", []string{"sh", "-c", `printf 'one\ntwo \033[31mred\n' >&2; exit 3`},
			func(t *testing.T, err error) { exit(t, err, 3) }, `exit status 3; its stderr ends "one\ntwo \x1b[31mred"`},
		{"silent exit", []string{"false"}, func(t *testing.T, err error) { exit(t, err, 1) }, `"false": exit status 1`},
		{"signal", []string{"sh", "-c", "kill -9 $$"}, func(t *testing.T, err error) { exit(t, err, -1) }, "signal: killed"},
		{"much stderr", []string{"sh", "-c", "i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done; exit 1"},
			func(t *testing.T, err error) { exit(t, err, 1) }, `ends "line 2995\nline 2996\nline 2997\nline 2998\nline 2999"`},
		{"one long line", []string{"sh", "-c", "head -c 100000 /dev/zero >&2; exit 1"}, func(t *testing.T, err error) { exit(t, err, 1) }, `\x00`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Command(t.Context(), tt.argv, nil)
			require.ErrorContains(t, err, tt.text)
			tt.check(t, err)
			require.NotContains(t, err.Error(), "\n", "one line")
			require.NotContains(t, err.Error(), "\x1b", "nothing a terminal would act on")
			require.Less(t, len(err.Error()), 8<<10)
		})
	}
}

// gone waits until the process whose pid is in the file no longer runs: at
// most a zombie is left, which is for its new parent to reap.
func gone(t *testing.T, pidFile string) {
	t.Helper()
	pid, err := os.ReadFile(pidFile)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		stat, err := os.ReadFile(filepath.Join("/proc", strings.TrimSpace(string(pid)), "stat"))
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, 10*time.Second, 5*time.Millisecond, "process %s is still there", pid)
}

func TestCommandCancelled(t *testing.T) {
	needsLinux(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	ready := filepath.Join(dir, "ready")
	script := fmt.Sprintf("cd '%s'; echo $$ >parent; sleep 1000 & echo $! >child; : >ready; wait", dir)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // a watchdog
	defer cancel()
	go func() {
		for ctx.Err() == nil {
			if _, err := os.Stat(ready); err == nil {
				cancel()
				return
			}
			time.Sleep(time.Millisecond)
		}
	}()
	_, err := Command(ctx, []string{"sh", "-c", script}, nil)
	require.ErrorIs(t, err, context.Canceled)
	gone(t, filepath.Join(dir, "parent"))
	gone(t, filepath.Join(dir, "child"))
}

// A child that is left behind holds stderr open. It is killed, and the time
// for which it would have held things up is not counted.
func TestCommandLeavesNothing(t *testing.T) {
	needsLinux(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	child := filepath.Join(t.TempDir(), "child")
	script := fmt.Sprintf("sleep 1000 & echo $! >'%s'; sleep 0.05", child)
	c, err := Command(t.Context(), []string{"sh", "-c", script}, &Options{Repeats: 1})
	require.NoError(t, err)
	require.Less(t, c.Wall, 100*time.Second)
	gone(t, child)
}
