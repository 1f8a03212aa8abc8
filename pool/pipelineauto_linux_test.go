package pool

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm"
)

type autoIn struct {
	N         int
	Spin, Nap time.Duration // of CPU, and of none
	X         shm.View[float64]
	Out       shm.Array[int64]
}

type autoOut struct {
	N, PID int
	Sum    float64
	Y      shm.View[float64]
}

var autoTask = Func("test.autoTask", func(t *Task, in autoIn) (out autoOut, err error) {
	time.Sleep(in.Nap)
	for begun := threadCPU(); threadCPU()-begun < in.Spin; {
		for i := range 1000 {
			out.Sum += float64(i)
		}
	}
	out = autoOut{N: in.N, PID: os.Getpid()}
	y, err := shm.Make[float64](t.Arena(), in.X.Len())
	if err != nil {
		return out, err
	}
	for i, x := range in.X.Data() {
		y.Data()[i] = x + 1
		out.Sum += x
	}
	if in.Out.Len() > 0 {
		in.Out.Data()[0] = int64(in.N)
	}
	out.Y = y.View()
	return out, nil
})

// threadCPU is near enough: a goroutine that is moved meanwhile spins a little more.
func threadCPU() time.Duration {
	var ts unix.Timespec
	unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}

// A logBook is what was logged.
type logBook struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// A stage that waits stays, one that computes moves, and one that changes moves again.
func TestPipelineAuto(t *testing.T) {
	p := newPool(t, &Options{Workers: 2})
	var log logBook
	pl := NewPipeline(&PipelineOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	var spinning, enough atomic.Bool
	source := From(pl, func(yield func(int) bool) {
		for i := 0; !enough.Load() && yield(i); i++ {
		}
	})
	loaded := Go(pl, "load", source, func(ctx context.Context, n int) (autoIn, error) {
		in := autoIn{N: n}
		if spinning.Load() {
			in.Spin = 3 * time.Millisecond
		} else {
			in.Nap = 3 * time.Millisecond
		}
		x, err := shm.Make[float64](p.Arena(), 10)
		if err != nil {
			return in, err
		}
		Hold(ctx, x)
		out, err := shm.Make[int64](p.Outputs(), 1)
		if err != nil {
			return in, err
		}
		Hold(ctx, out)
		x.Data()[3] = float64(n)
		in.X, in.Out = x.View(), out
		return in, nil
	}, 2)
	placed := Auto(pl, "find", loaded, p, autoTask, &AutoOptions{Every: 50 * time.Millisecond, Classify: &ClassifyOptions{OwnGC: true, MinSample: 15 * time.Millisecond}})
	kind := func(want StageKind) func() bool {
		return func() bool { return pl.Stats().Stages[2].Kind == want }
	}
	here, elsewhere := 0, 0
	done := watched(t, "the pipeline")
	go func() {
		defer enough.Store(true)
		eventually(t, func() bool { return bytes.Contains([]byte(log.String()), []byte("stage stays")) }, "no decision")
		spinning.Store(true)
		eventually(t, kind(KindProcess), "it computes and does not move")
		spinning.Store(false)
		eventually(t, kind(KindGoroutine), "it waits and does not move back")
	}()
	next := 0
	err := Drain(background(), placed, func(_ context.Context, o autoOut) error {
		if o.N != next || o.Y.Data()[3] != float64(next+1) || o.Sum < float64(next) {
			return fmt.Errorf("item %d, expected %d: %v", o.N, next, o.Y.Data())
		}
		next++
		if o.PID == os.Getpid() {
			here++
		} else {
			elsewhere++
		}
		return nil
	})
	done()
	require.NoError(t, err)
	require.Positive(t, here)
	require.Positive(t, elsewhere)
	require.Contains(t, log.String(), "it computes")
	require.Contains(t, log.String(), "of CPU in")
	require.Contains(t, log.String(), "pipeline ended")
	t.Log("\n" + log.String() + pl.String())
	requireNothingHeld(t, p)
	eventually(t, func() bool { return p.Outputs().Stats().Live == 0 }, "outputs are left")
}

// What computes moves, unless it has no need to, and what is too short to judge stays.
func TestPipelineAutoDecides(t *testing.T) {
	for name, tt := range map[string]struct {
		spin time.Duration
		opts AutoOptions
		want StageKind
		says string
	}{
		"computes": {4 * time.Millisecond, AutoOptions{}, KindProcess, "it computes"},
		"trusted":  {4 * time.Millisecond, AutoOptions{Width: 2, Classify: &ClassifyOptions{}}, KindGoroutine, "a goroutine is the cheapest"},
		"tiny":     {0, AutoOptions{Classify: &ClassifyOptions{MaxCalls: 200, OwnGC: true, MinSample: time.Minute}}, KindGoroutine, "too short to judge"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, &Options{Workers: 2})
			var log logBook
			pl := NewPipeline(&PipelineOptions{Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
			// On a busy machine it may take more than one look.
			tt.opts.Every = 20 * time.Millisecond
			var enough atomic.Bool
			source := From(pl, func(yield func(int) bool) {
				for i := 0; !enough.Load() && yield(i); i++ {
				}
			})
			go func() {
				defer enough.Store(true)
				eventually(t, func() bool {
					return bytes.Contains([]byte(log.String()), []byte(tt.says)) && pl.Stats().Stages[2].Kind == tt.want
				}, "it is not decided")
			}()
			in := Go(pl, "in", source, func(_ context.Context, n int) (autoIn, error) { return autoIn{N: n, Spin: tt.spin}, nil }, 1)
			out := Auto(pl, "find", in, p, autoTask, &tt.opts)
			require.NoError(t, Drain(background(), out, func(context.Context, autoOut) error { return nil }))
			require.True(t, enough.Load())
			requireNothingHeld(t, p)
		})
	}
}

// Errors and panics in this process are as contained as in workers.
func TestPipelineAutoErrors(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	for _, how := range []string{"error", "panic", "goexit"} {
		pl := NewPipeline(nil)
		in := Go(pl, "in", From(pl, numbers(9)), func(_ context.Context, n int) (in pipeIn, err error) {
			if in.N = n; n == 4 {
				in.How = how
			}
			return in, nil
		}, 1)
		err := Drain(background(), Auto(pl, "find", in, p, pipeTask, nil), func(context.Context, pipeOut) error { return nil })
		var failed *StageError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, "find", failed.Stage)
		require.EqualValues(t, 4, failed.Item)
		var task *TaskError
		require.ErrorAs(t, err, &task)
		require.Equal(t, how, task.Kind)
	}
	requireNothingHeld(t, p)
}
