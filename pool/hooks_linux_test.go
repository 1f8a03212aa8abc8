package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A handler is a log handler that does what a test says.
type handler struct {
	enabled func()
	handle  func(slog.Record)
}

func (h handler) Enabled(context.Context, slog.Level) bool {
	if h.enabled != nil {
		h.enabled()
	}
	return true
}

func (h handler) Handle(_ context.Context, r slog.Record) error { h.handle(r); return nil }
func (h handler) WithAttrs([]slog.Attr) slog.Handler            { return h }
func (h handler) WithGroup(string) slog.Handler                 { return h }

// A log handler may call the pool, and it may end its goroutine.
func TestLoggerCallsPool(t *testing.T) {
	var p *Pool
	var mu sync.Mutex
	var said []string
	made := make(chan struct{})
	call := func() {
		<-made
		p.Stats()
	}
	logger := slog.New(handler{enabled: call, handle: func(r slog.Record) {
		call()
		if r.Level == slog.LevelWarn {
			f, err := addOne.Submit(background(), p, 1)
			if err == nil {
				_, err = f.Wait(background())
			}
			if err != nil && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
			p.Resize(3)
		}
		mu.Lock()
		said = append(said, r.Message)
		mu.Unlock()
		runtime.Goexit()
	}})
	p = newPool(t, &Options{Workers: 2, Logger: logger})
	close(made)
	within(t, func() {
		for range 3 {
			f, err := orphan.Submit(background(), p, orphanIn{How: "kill"})
			require.NoError(t, err)
			requireAttempt(t, f, 2)
		}
		require.NoError(t, p.Close(background()))
	})
	require.Equal(t, "worker ready", said[0])
	require.Contains(t, said, "worker died")
	require.Contains(t, said, "width changed")
}

// A log handler that never returns holds nothing up but, for a while, Close.
func TestLoggerHangs(t *testing.T) {
	free := make(chan struct{})
	var handled atomic.Int64
	logger := slog.New(handler{handle: func(slog.Record) { <-free; handled.Add(1) }})
	p := newPool(t, &Options{Workers: 2, Logger: logger, MemoryLimit: 1 << 30, CloseTimeout: 200 * time.Millisecond})
	within(t, func() {
		f, err := orphan.Submit(background(), p, orphanIn{How: "kill"})
		require.NoError(t, err)
		requireAttempt(t, f, 2)
		for i := range maxLogs + 10 {
			require.NoError(t, p.Resize(i%2+1))
		}
		require.NoError(t, p.Close(background()))
	})
	require.Zero(t, handled.Load())
	close(free)
	eventually(t, func() bool { return handled.Load() == maxLogs+1 }, "more or less was kept than should be")
}

// Records that were dropped are counted in the next.
func TestLogsSayWhatTheyDropped(t *testing.T) {
	free := make(chan struct{})
	var last slog.Record
	var l logs
	l.open(slog.New(handler{handle: func(r slog.Record) { <-free; last = r }}))
	l.log(slog.LevelInfo, "first")
	eventually(t, func() bool { l.mu.Lock(); defer l.mu.Unlock(); return l.taken == 1 }, "the handler is not called")
	for range maxLogs + 5 {
		l.log(slog.LevelInfo, "some")
	}
	require.Equal(t, maxLogs+1, l.wait(time.Millisecond))
	close(free)
	require.Zero(t, l.wait(time.Minute))
	l.log(slog.LevelInfo, "last", "key", 1)
	require.Zero(t, l.wait(time.Minute))
	attrs := ""
	last.Attrs(func(a slog.Attr) bool { attrs += a.String() + " "; return true })
	require.Equal(t, "last key=1 dropped_before=5 ", last.Message+" "+attrs)
	frame, _ := runtime.CallersFrames([]uintptr{last.PC}).Next()
	require.Contains(t, frame.Function, "TestLogsSayWhatTheyDropped")
}

// A hook of attempts that never returns is Close's error.
func TestAttemptHookHangs(t *testing.T) {
	free := make(chan struct{})
	p, err := New(background(), &Options{Workers: 1, CloseTimeout: 100 * time.Millisecond, OnAttempt: func(Attempt) { <-free }})
	require.NoError(t, err)
	for range 3 {
		requireAttempt(t, submitWork(t, p, workIn{}), 1)
	}
	within(t, func() { err = p.Close(background()) })
	require.ErrorContains(t, err, "Options.OnAttempt took longer than 100ms: it was not told of 3 attempts")
	close(free)
}

// What runs in this process may hang.
func init() {
	programs["hooks here"] = func([]string) {
		Init("program.hangs", func() error { select {} })
		_, err := New(background(), &Options{Workers: 1, Isolation: Goroutine, StartTimeout: 50 * time.Millisecond})
		fmt.Println(err)
		initHooks.init = nil
		Teardown("program.hangs too", func() error { select {} })
		p, _ := New(background(), &Options{Workers: 1, Isolation: Goroutine, CloseTimeout: 50 * time.Millisecond})
		fmt.Println(p.Close(background()))
	}
}

func TestHooksInThisProcess(t *testing.T) {
	within(t, func() {
		out, err := program("hooks here").CombinedOutput()
		require.NoError(t, err, string(out))
		require.Contains(t, string(out), `Init "program.hangs": it has not returned: context deadline exceeded`)
		require.Contains(t, string(out), `Teardown "program.hangs too": it took longer than 50ms`)
	})
}
