package pool

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/rangejob"
	"example.com/handoff/pool/internal/wire"
)

// A jobLog keeps what it is told.
type jobLog struct {
	mu    sync.Mutex
	lines []Attempt
}

func (l *jobLog) add(a Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, a)
}

// of are the lines of a task, in the order of its attempts; of 0, all.
func (l *jobLog) of(task uint64) (lines []Attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.lines {
		if task == 0 || a.TaskNumber == task {
			lines = append(lines, a)
		}
	}
	return lines
}

// requireOne is the only line of a task.
func (l *jobLog) requireOne(t *testing.T, task uint64, kind string, exit ExitClass) Attempt {
	t.Helper()
	lines := l.of(task)
	require.Len(t, lines, 1)
	require.Equal(t, kind, lines[0].Kind, "%+v", lines[0])
	require.Equal(t, exit, lines[0].Exit, "%+v", lines[0])
	require.Equal(t, kind == "" && exit == "", lines[0].Err == nil)
	return lines[0]
}

// The blocks of a range are attempts, and the one that fails.
func TestAttemptsOfRanges(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		log := &jobLog{}
		opts.OnAttempt = log.add
		p := newPool(t, &opts)
		const n = 1000
		require.NoError(t, logged.ForRange(background(), p, -1, n, &RangeOptions{Grain: 10}))
		require.ErrorContains(t, logged.ForRange(background(), p, 500, n, nil), "index 500")
		require.NoError(t, p.Close(background()))
		require.Equal(t, p.Stats().Attempts, int64(len(log.of(0))))
		require.Equal(t, rangejob.Cut(n, 10, 2).Count, len(log.of(1)))
		seen := map[int]int{}
		for _, a := range log.of(1) {
			require.Empty(t, a.Kind)
			require.Empty(t, a.Exit)
			for i := a.Lo; i < a.Hi; i++ {
				seen[i]++
			}
		}
		require.Len(t, seen, n)
		var failed []Attempt
		for _, a := range log.of(2) {
			if a.Kind == "error" {
				failed = append(failed, a)
			}
		}
		require.Len(t, failed, 1)
		require.ErrorContains(t, failed[0].Err, "index 500")
		require.Zero(t, failed[0].Hi)
	})
}

var logged = RangeFunc("test.logged", func(t *Task, bad int, lo, hi int) error {
	if lo <= bad && bad < hi {
		return fmt.Errorf("index %d", bad)
	}
	return nil
})

var isMeasured = Func("test.isMeasured", func(t *Task, _ struct{}) (bool, error) {
	return t.call.Lane().Begun.Any(), nil
})

func TestNothingIsMeasuredWithoutHook(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		for _, hook := range []func(Attempt){nil, func(Attempt) {}} {
			opts.OnAttempt = hook
			p := newPool(t, &opts)
			f, err := isMeasured.Submit(background(), p, struct{}{})
			require.NoError(t, err)
			got, err := f.Wait(background())
			require.NoError(t, err)
			require.Equal(t, hook != nil, got)
		}
	})
}

// Nobody but Close waits for the hook, which may even end its goroutine.
func TestSlowAttemptHook(t *testing.T) {
	const n = 5000
	free, told, behind := make(chan struct{}), 0, 0
	p := newPool(t, &Options{Workers: 1, Isolation: Goroutine, OnAttempt: func(a Attempt) {
		<-free
		told++
		behind = max(behind, a.Behind)
		if told%1000 == 0 {
			runtime.Goexit()
		}
	}})
	i := 0
	for _, err := range addOne.Map(background(), p, upTo(n, &i)) {
		require.NoError(t, err)
	}
	closed := make(chan error)
	go func() { closed <- p.Close(background()) }()
	select {
	case <-closed:
		t.Fatal("it has not told of all")
	case <-time.After(50 * time.Millisecond):
	}
	close(free)
	require.NoError(t, <-closed)
	require.Equal(t, n, told)
	require.GreaterOrEqual(t, behind, n/2)
}

func TestAttemptKind(t *testing.T) {
	own := taskError("f", wire.StatusFault, wire.AppendFailure(nil, wire.Failure{Text: "x"}))
	for _, row := range []struct {
		err  error
		want string
	}{
		{nil, ""}, {own, "fault"},
		{fmt.Errorf("%w: %w", ErrCancelled, own), "cancelled"},
		{fmt.Errorf("%w while: %w", ErrClosed, own), "cancelled"},
		{errors.New("other"), "cancelled"},
	} {
		require.Equal(t, row.want, attemptKind(row.err))
	}
}
