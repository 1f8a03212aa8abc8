package pool

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

var (
	errStale  = RegisterError("test.errStale", errors.New("quotes are stale"))
	errOther  = RegisterError("test.errOther", errors.New("quotes are stale")) // the text is no matter
	errAbsent = RegisterError("fs.ErrNotExist", fs.ErrNotExist)
	errCustom = errors.New("not registered")
	// errWorkers is registered in workers alone.
	errWorkers = func() error {
		err := errors.New("known to workers")
		if isWorker() {
			RegisterError("test.errWorkers", err)
		}
		return err
	}()
)

// asStale says by a method that it is errStale.
type asStale struct{}

func (asStale) Error() string        { return "as stale" }
func (asStale) Is(target error) bool { return target == errStale }

var failures = map[string]func(t *Task) error{
	"plain":       func(*Task) error { return errStale },
	"wrapped":     func(*Task) error { return fmt.Errorf("row 7: %w", fmt.Errorf("bid: %w", errStale)) },
	"joined":      func(*Task) error { return errors.Join(errCustom, errOther, fmt.Errorf("%w, %w", errStale, errCustom)) },
	"by a method": func(*Task) error { return asStale{} },
	"long":        func(*Task) error { return fmt.Errorf("%s%w", strings.Repeat("x", 10_000), errStale) },
	"of the kernel": func(*Task) error {
		_, err := os.Open("/nowhere")
		return err
	},
	"unknown here":   func(*Task) error { return fmt.Errorf("%w and %w", errWorkers, errOther) },
	"not registered": func(*Task) error { return errCustom },
	"deadline":       func(t *Task) error { <-t.Context().Done(); return t.Context().Err() },
	"full": func(t *Task) error {
		_, err := shm.Make[byte](t.Arena(), 1<<40)
		return err
	},
}

var failing = Func("test.failing", func(t *Task, how string) (int, error) { return 0, failures[how](t) })

var failingRange = RangeFunc("test.failingRange", func(t *Task, how string, lo, hi int) error { return failures[how](t) })

// Registered errors survive the way back for errors.Is, through whatever wraps them, and
// others are text.
func TestSentinels(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		opts.Workers, opts.Arenas.Results = 1, &shm.ArenaOptions{MaxBytes: 1 << 20}
		p := newPool(t, &opts)
		all := []error{errStale, errOther, errAbsent, errCustom, errWorkers, context.DeadlineExceeded, shm.ErrFull, shm.ErrTooLarge}
		for how, want := range map[string][]error{
			"plain": {errStale}, "wrapped": {errStale}, "joined": {errStale, errOther}, "by a method": {errStale}, "long": {errStale},
			"of the kernel": {errAbsent}, "not registered": nil, "deadline": {context.DeadlineExceeded},
			"full": {shm.ErrFull, shm.ErrTooLarge}, "unknown here": {errOther},
		} {
			if how == "unknown here" && opts.Isolation == Goroutine { // one process has one registry
				continue
			}
			ctx := background()
			if how == "deadline" {
				var cancel context.CancelFunc
				ctx, cancel = context.WithDeadline(ctx, time.Now().Add(50*time.Millisecond))
				defer cancel()
			}
			f, err := failing.Submit(ctx, p, how)
			require.NoError(t, err)
			_, err = f.Wait(background())
			check := func(err error) {
				var own *TaskError
				require.ErrorAs(t, err, &own, how)
				require.Equal(t, "error", own.Kind)
				for _, e := range all {
					is := false
					for _, w := range want {
						is = is || w == e
					}
					require.Equal(t, is, errors.Is(err, e), "%s: %v", how, e)
				}
			}
			check(err)
			if how != "deadline" {
				check(failingRange.ForRange(background(), p, how, 1, nil))
			}
		}
		require.Empty(t, p.Stats().Deaths)
	})
}

func TestRegisterErrorRefuses(t *testing.T) {
	require.Same(t, errStale, RegisterError("test.errStale", errStale), "the same again")
	require.Same(t, shm.ErrFull, RegisterError("shm.ErrFull", shm.ErrFull))
	for want, register := range map[string]func(){
		"is registered twice":            func() { RegisterError("test.errStale", errCustom) },
		"has 0 bytes, expected 1 to":     func() { RegisterError("", errCustom) },
		"has 256 bytes":                  func() { RegisterError(strings.Repeat("n", wire.MaxSentinelName+1), errCustom) },
		"expected one that is":           func() { RegisterError("test.nil", nil) },
		"one that is comparable":         func() { RegisterError("test.joined", manyErrors{errCustom}) },
		"is not a task's to return":      func() { RegisterError("test.own", fmt.Errorf("mine: %w", ErrCancelled)) },
		"error \"test.died\" is not a t": func() { RegisterError("test.died", &WorkerExitError{}) },
	} {
		func() {
			defer func() { require.Contains(t, fmt.Sprint(recover()), want) }()
			register()
		}()
	}
}

type manyErrors []error

func (manyErrors) Error() string { return "many" }
