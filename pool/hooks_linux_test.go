package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/hook"
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

// A hook that never returns holds nobody up. Close returns by its context and says which
// hook hangs; what waits is kept, and counted.
func TestHookHangs(t *testing.T) {
	// With it each hook, that blocks from the start on, and how many calls Close is to name.
	for _, row := range []struct {
		hook   string
		set    func(o *Options, called func())
		behind func(s HookStats) int
	}{
		{"Options.OnEvent", func(o *Options, called func()) { o.OnEvent = func(Event) { called() } }, func(s HookStats) int { return s.EventsWaiting }},
		{"Options.OnAttempt", func(o *Options, called func()) { o.OnAttempt = func(Attempt) { called() } }, func(s HookStats) int { return s.AttemptsWaiting }},
		{"Options.Logger", func(o *Options, called func()) { o.Logger = slog.New(handler{handle: func(slog.Record) { called() }}) }, func(s HookStats) int { return s.RecordsWaiting }},
		{"Options.Output", func(o *Options, called func()) { o.Output = writer(called) }, func(s HookStats) int { return s.LinesWaiting }},
	} {
		t.Run(row.hook, func(t *testing.T) {
			free := make(chan struct{})
			var calls atomic.Int64
			o := &Options{Workers: 1, Timeouts: Timeouts{Close: time.Hour}}
			row.set(o, func() { <-free; calls.Add(1) })
			p, err := New(background(), o)
			require.NoError(t, err)
			for range 3 {
				f, err := printOnce.Submit(background(), p, true)
				require.NoError(t, err)
				requireAttempt(t, f, 2)
			}
			eventually(t, func() bool { return row.behind(p.Stats().Hooks) > 0 && p.Stats().Dying == 0 }, "nothing waits")
			ctx, cancel := context.WithTimeout(background(), 10*time.Millisecond)
			defer cancel()
			within(t, func() { err = p.Close(ctx) })
			require.ErrorContains(t, err, row.hook+" has not returned")
			require.ErrorIs(t, err, context.DeadlineExceeded)
			left := row.behind(p.Stats().Hooks)
			require.Contains(t, err.Error(), fmt.Sprintf("and %d calls wait behind it", left-1))
			require.Equal(t, 1, strings.Count(err.Error(), "has not returned"), err)
			close(free)
			eventually(t, func() bool { return row.behind(p.Stats().Hooks) == 0 }, "what waited was dropped")
			require.GreaterOrEqual(t, calls.Load(), int64(left))
		})
	}
}

type writer func()

func (w writer) Write(p []byte) (int, error) { w(); return len(p), nil }

// Without an end of its context Close gives a hook up that is slower than Timeouts.Close. A
// second Close ends with its own context.
func TestCloseGivesHookUp(t *testing.T) {
	free := make(chan struct{})
	p, err := New(background(), &Options{Workers: 1, Timeouts: Timeouts{Close: time.Millisecond}, OnAttempt: func(Attempt) { <-free }})
	require.NoError(t, err)
	for range 3 {
		requireAttempt(t, submitWork(t, p, workIn{}), 1)
	}
	first := make(chan error, 1)
	go func() { first <- p.Close(background()) }()
	<-p.Done()
	done, cancel := context.WithCancel(background())
	cancel()
	within(t, func() {
		eventually(t, p.ending.closing.Load, "not closing")
		if err := p.Close(done); !hasEnded(p.ending.closed) {
			require.ErrorIs(t, err, context.Canceled)
		}
		err = <-first
	})
	require.ErrorContains(t, err, "Options.OnAttempt has not returned for 500ms, and 2 calls wait behind it")
	require.Equal(t, err, p.Close(done))
	close(free)
}

// Every hook may call Close, which waits for the others.
func TestHooksClose(t *testing.T) {
	for _, hook := range []string{"event", "attempt", "record", "line"} {
		t.Run(hook, func(t *testing.T) {
			var p *Pool
			made, closed := make(chan struct{}), make(chan error, 1)
			var once sync.Once
			leave := func(in string) {
				if in == hook {
					once.Do(func() { <-made; closed <- p.Close(background()) })
				}
			}
			p = newPool(t, &Options{
				Workers:   1,
				OnEvent:   func(Event) { leave("event") },
				OnAttempt: func(Attempt) { leave("attempt") },
				Logger:    slog.New(handler{handle: func(slog.Record) { leave("record") }}),
				Output:    writer(func() { leave("line") }),
			})
			f, err := printOnce.Submit(background(), p, false)
			require.NoError(t, err)
			f.Wait(background())
			close(made)
			within(t, func() { err = <-closed })
			require.NoError(t, err)
		})
	}
}

// A record says where it was logged.
func TestRecordsNameTheirSource(t *testing.T) {
	var last slog.Record
	var h hooks
	h.open(&Options{Logger: slog.New(handler{handle: func(r slog.Record) { last = r }})})
	h.log(slog.LevelInfo, "text", "key", 1)
	require.NoError(t, hook.Wait(background(), time.Minute, h.all()...))
	attrs := ""
	last.Attrs(func(a slog.Attr) bool { attrs += a.String() + " "; return true })
	require.Equal(t, "text key=1 ", last.Message+" "+attrs)
	frame, _ := runtime.CallersFrames([]uintptr{last.PC}).Next()
	require.Contains(t, frame.Function, "TestRecordsNameTheirSource")
}
