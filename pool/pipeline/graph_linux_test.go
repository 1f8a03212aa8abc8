package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
	"example.com/handoff/shm/shmtest"
)

type graphItem struct {
	N   int
	How string
	Nap time.Duration
	Y   shm.View[int64]
}

// nothing is the smallest task.
var nothing = pool.Func("test.nothing", func(t *pool.Task, n int) (int, error) { return n, nil })

// A graphMade is a graphItem that a worker has made.
type graphMade struct {
	N int
	Y shm.OwnedView[int64]
}

const graphElements = 64

func (g graphItem) check() error {
	for _, y := range g.Y.Data() {
		if y != int64(g.N) {
			return fmt.Errorf("item %d has %d in its array", g.N, y)
		}
	}
	return nil
}

// graphStep looks at the array of its item and makes another.
var graphStep = pool.Func("test.graphStep", func(t *pool.Task, in graphItem) (made graphMade, err error) {
	if err := in.check(); err != nil {
		return made, err
	}
	switch in.How {
	case "error":
		return made, errors.New("told to")
	case "panic":
		panic("told to")
	case "goexit":
		runtime.Goexit()
	}
	if in.Nap > 0 {
		select {
		case <-time.After(in.Nap):
		case <-t.Context().Done():
			return made, t.Context().Err()
		}
	}
	y, err := shm.Make[int64](t.Arena(), graphElements)
	if err != nil {
		return made, err
	}
	for i := range y.Data() {
		y.Data()[i] = int64(in.N)
	}
	return graphMade{N: in.N, Y: y.Own()}, nil
})

// watched fails the program, with all stacks, where something does not come to an end.
func watched(t testing.TB, what string) (done func()) {
	timer := time.AfterFunc(time.Minute, func() {
		buf := make([]byte, 1<<20)
		panic(fmt.Sprintf("%s: %s does not come to an end\n%s", t.Name(), what, buf[:runtime.Stack(buf, true)]))
	})
	return func() { timer.Stop() }
}

// Pipelines of any shape over workers that are killed all the time: each comes to an
// end, with everything or with the error that it was told to have.
func TestRandomGraphsUnderKills(t *testing.T) {
	runs, every := 300, 20*time.Millisecond
	switch {
	case soak():
		runs = 10_000
	case raceEnabled || testing.Short():
		runs, every = 100, 50*time.Millisecond
	}
	p := newPool(t, &pool.Options{Workers: 3, Replacement: pool.Replacement{KeepWidth: true}, Attempts: 255, MaxPending: 12})
	stop := killWorkers(p, every)
	defer func() { stop() }()
	seed := rand.Uint64()
	outcomes := map[string]int{}
	var mu sync.Mutex
	var all sync.WaitGroup
	var run atomic.Int64
	for range 4 { // at a time, on one pool
		all.Go(func() {
			for i := run.Add(1); i <= int64(runs); i = run.Add(1) {
				done := watched(t, fmt.Sprintf("seed %d, run %d", seed, i))
				what, err := randomWorkerGraph(p, rand.New(rand.NewPCG(seed, uint64(i))))
				done()
				if err != nil {
					t.Errorf("seed %d, run %d: %v", seed, i, err)
					return
				}
				mu.Lock()
				outcomes[what]++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	kills := stop()
	stop = func() int { return 0 }
	require.NotZero(t, kills)
	t.Log(outcomes, kills, "kills")
	for _, what := range []string{"all", "fault", "cancelled", "left"} {
		require.NotZero(t, outcomes[what], what)
	}
	requireNothingHeld(t, p)
	buf := make([]byte, 1<<20)
	stacks := string(buf[:runtime.Stack(buf, true)])
	for _, f := range []string{"pipeline.pull", "pipeline.runStage", "pipeline.runItem", "pipeline.runTask"} {
		require.NotContains(t, stacks, f, "goroutines are left")
	}
}

// randomWorkerGraph runs one and says how it ended; the error is what is wrong.
func randomWorkerGraph(p *testPool, r *rand.Rand) (string, error) {
	bound := func(most int) int { return 1 + r.IntN(1<<r.IntN(most)) }
	pl := New(&Options{
		MaxBytes: int64(bound(16)), QueueItems: bound(6), Window: bound(6), Unordered: r.IntN(2) == 0,
	})
	n := r.IntN(24)
	flow := From(pl, func(yield func(graphItem) bool) {
		for i := range n {
			if !yield(graphItem{N: i}) {
				return
			}
		}
	})
	ways := [...]string{"error", "panic", "goexit"}
	faults, stages := map[string]string{}, 1+r.IntN(5)
	for k := range stages {
		name := fmt.Sprint("stage", k)
		process := r.IntN(2) == 0
		if n > 0 && r.IntN(6) == 0 {
			faults[fmt.Sprint(name, " ", r.IntN(n))] = ways[r.IntN(3)]
		}
		nap := time.Duration(r.IntN(150)) * time.Microsecond
		width := r.IntN(8)
		if !process {
			flow = Go(pl, name, flow, func(ctx context.Context, g graphItem) (graphItem, error) {
				if err := g.check(); err != nil {
					return g, err
				}
				switch faults[fmt.Sprint(name, " ", g.N)] {
				case "error":
					return g, errors.New("told to")
				case "panic":
					panic("told to")
				case "goexit":
					runtime.Goexit()
				}
				time.Sleep(nap * time.Duration(g.N%3))
				if g.N%2 == 0 { // else it passes on what it has
					y, err := shm.Make[int64](p.Arena(), graphElements)
					if err != nil {
						return g, err
					}
					Hold(ctx, y)
					for i := range y.Data() {
						y.Data()[i] = int64(g.N)
					}
					g.Y = y.View()
				}
				return g, nil
			}, width)
			continue
		}
		flow = Go(pl, name+"tell", flow, func(_ context.Context, g graphItem) (graphItem, error) {
			g.How, g.Nap = faults[fmt.Sprint(name, " ", g.N)], nap*time.Duration(g.N%3)
			return g, nil
		}, 1)
		flow = Go(pl, name+"back", Proc(pl, name, flow, p.Pool, graphStep, width), func(_ context.Context, m graphMade) (graphItem, error) {
			return graphItem{N: m.N, Y: m.Y.View()}, nil
		}, 1)
	}
	ctx, cancel := context.WithCancel(background())
	defer cancel()
	leave := -1
	switch r.IntN(6) {
	case 0:
		timer := time.AfterFunc(time.Duration(r.IntN(5000))*time.Microsecond, cancel)
		defer timer.Stop()
	case 1:
		leave = r.IntN(n + 1)
	}
	left := errors.New("left")
	count := 0
	seen := make([]bool, n)
	err := Drain(ctx, flow, func(_ context.Context, g graphItem) error {
		if seen[g.N] || !pl.opts.Unordered && g.N != count {
			return fmt.Errorf("item %d after %d others", g.N, count)
		}
		seen[g.N] = true
		if err := g.check(); err != nil {
			return err
		}
		if count++; count-1 == leave {
			return left
		}
		return nil
	})
	if s := pl.Stats(); s.Bytes != 0 {
		return "", fmt.Errorf("%d bytes are charged still; %v", s.Bytes, err)
	}
	var failed *StageError
	switch {
	case err == nil && count == n && len(faults) == 0:
		return "all", nil
	case errors.Is(err, left):
		return "left", nil
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		return "cancelled", nil
	case errors.As(err, &failed) && faults[fmt.Sprint(failed.Stage, " ", failed.Item)] != "":
		return "fault", nil
	}
	return "", fmt.Errorf("%d of %d items, faults %v: %w", count, n, faults, err)
}

// A slow consumer of arrays of 1 MiB: so many are in flight and no more, and neither the
// heap nor the segments grow.
func TestMemoryIsFlat(t *testing.T) {
	const elements, size = 1 << 17, 1 << 20
	n, most := 1000, int64(12*size)
	if soak() {
		n = 10_000
	}
	if raceEnabled || testing.Short() {
		n = 300
	}
	p := newPool(t, &pool.Options{Workers: 2})
	var inFlight census
	pl := New(&Options{MaxBytes: most})
	const width = 2
	loaded := Go(pl, "load", From(pl, numbers(n)), func(ctx context.Context, k int) (pipeIn, error) {
		x, err := shm.MakeUnzeroed[float64](p.Arena(), elements)
		if err != nil {
			return pipeIn{}, err
		}
		inFlight.add(1)
		Hold(ctx, x)
		x.Data()[0] = float64(k)
		return pipeIn{X: x.View(), N: k}, nil
	}, width)
	made := Proc(pl, "double", loaded, p.Pool, pipeTask, width)
	var shared, heap [2]int64 // after a quarter, and the most from then on
	err := Drain(background(), made, func(_ context.Context, o pipeOut) error {
		if o.Y.Data()[0] != float64(2*o.N) || o.Y.Len() != elements {
			return fmt.Errorf("item %d: %v", o.N, o.Y.Data()[0])
		}
		inFlight.add(-1)
		if o.N%20 == 0 {
			time.Sleep(time.Millisecond)
			var m runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&m)
			for i, now := range []int64{p.Arena().Stats().Mapped + p.Stats().Memory.ResultBytesMapped, int64(m.HeapAlloc)} {
				at := [...]*[2]int64{&shared, &heap}[i]
				if at[1] = max(at[1], now); o.N <= n/4 {
					at[0] = at[1]
				}
			}
		}
		return nil
	})
	require.NoError(t, err)
	// A task has its argument and its result, and before the first of each there is no
	// telling how large they are.
	require.LessOrEqual(t, inFlight.most, int(most/size)+len(pl.Stats().Stages)+2*width)
	require.LessOrEqual(t, pl.Stats().HighBytes, most+4*width*size)
	require.Positive(t, shared[0])
	require.LessOrEqual(t, shared[1], 2*shared[0], "the segments have grown")
	require.LessOrEqual(t, heap[1], heap[0]+2<<20, "the heap has grown")
	requireNothingHeld(t, p)
}

// A producer that is held back uses no CPU, nor does whoever waits for a slow one.
func TestSleepsWhileItWaits(t *testing.T) {
	d := 300 * time.Millisecond
	if soak() {
		d = 5 * time.Second
	}
	p := newPool(t, &pool.Options{Workers: 2})
	cpu := func() time.Duration {
		var u unix.Rusage
		require.NoError(t, unix.Getrusage(unix.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	for _, slow := range []string{"consumer", "producer"} {
		pl := New(&Options{QueueItems: 2})
		source := From(pl, func(yield func(int) bool) {
			for i := range 40 {
				if slow == "producer" && i == 20 {
					time.Sleep(d)
				}
				if !yield(i) {
					return
				}
			}
		})
		out := Proc(pl, "double", Go(pl, "load", source, load(p, 10), 4), p.Pool, pipeTask, 4)
		before := cpu()
		begun := time.Now()
		require.NoError(t, Drain(background(), out, func(_ context.Context, o pipeOut) error {
			if slow == "consumer" && o.N == 5 {
				time.Sleep(d)
			}
			return nil
		}))
		used, wall := cpu()-before, time.Since(begun)
		require.Less(t, used, wall/2, slow)
		if soak() {
			require.Less(t, used, wall/50, slow)
		}
	}
}

// Many connections feed a process stage, until all is cancelled: all of it comes back.
func TestConnections(t *testing.T) {
	n := 500
	if soak() {
		n = 5000
	}
	if raceEnabled || testing.Short() {
		n = 200
	}
	var limit unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &limit))
	if limit.Cur < uint64(2*n+200) {
		t.Skipf("%d descriptors are not enough for %d connections", limit.Cur, n)
	}
	p := newPool(t, &pool.Options{Workers: 2})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var servers sync.WaitGroup
	var open atomic.Int32
	servers.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			open.Add(1)
			servers.Go(func() { // says a byte if it is asked to, and waits for the other end to go
				defer open.Add(-1)
				defer c.Close()
				b := make([]byte, 1)
				for {
					if _, err := io.ReadFull(c, b); err != nil {
						return
					}
					if b[0] != 0 {
						c.Write(b)
					}
				}
			})
		}
	})
	ctx, cancel := context.WithCancel(background())
	defer cancel()
	pl := New(&Options{Unordered: true})
	fetch := func(ctx context.Context, k int) (in pipeIn, err error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", l.Addr().String())
		if err != nil {
			return in, err
		}
		defer c.Close()
		defer context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })()
		ask := []byte{byte(k % 2)} // each second one is never answered
		if _, err = c.Write(ask); err == nil {
			_, err = io.ReadFull(c, ask)
		}
		return pipeIn{N: k, Nap: time.Millisecond, Size: 10}, err
	}
	fetched := Go(pl, "fetch", From(pl, numbers(2*n)), fetch, n)
	done := watched(t, "the pipeline")
	var written atomic.Int32
	go func() {
		shmtest.Eventually(t, func() bool { return written.Load() > 20 && open.Load() > int32(n/4) }, "too few connections")
		cancel()
	}()
	err = Drain(ctx, Proc(pl, "double", fetched, p.Pool, pipeTask, 0), func(context.Context, pipeOut) error { written.Add(1); return nil })
	done()
	require.ErrorIs(t, err, context.Canceled)
	shmtest.Eventually(t, func() bool { return open.Load() == 0 }, "connections are left")
	l.Close()
	servers.Wait()
	requireNothingHeld(t, p)
}

// What a stage costs per item beside what it does, and a task in a stage against Map's.
func BenchmarkPipeline(b *testing.B) {
	source := func(pl *Pipeline, b *testing.B) *Flow[int] {
		return From(pl, func(yield func(int) bool) {
			for i := 0; b.Loop() && yield(i); i++ {
			}
		})
	}
	write := func(context.Context, int) error { return nil }
	for _, order := range []string{"ordered", "unordered"} {
		b.Run("stage=goroutine/order="+order, func(b *testing.B) {
			b.ReportAllocs()
			pl := New(&Options{Unordered: order == "unordered"})
			out := Go(pl, "pass", source(pl, b), func(_ context.Context, n int) (int, error) { return n, nil }, 4)
			require.NoError(b, Drain(background(), out, write))
		})
		b.Run("stage=process/order="+order, func(b *testing.B) {
			b.ReportAllocs()
			p := newPool(b, &pool.Options{Workers: 2})
			pl := New(&Options{Unordered: order == "unordered"})
			require.NoError(b, Drain(background(), Proc(pl, "pass", source(pl, b), p.Pool, nothing, 16), write))
		})
	}
	b.Run("stage=map", func(b *testing.B) {
		p := newPool(b, &pool.Options{Workers: 2})
		for _, err := range nothing.Map(background(), p.Pool, func(yield func(int) bool) {
			for i := 0; b.Loop() && yield(i); i++ {
			}
		}) {
			require.NoError(b, err)
		}
	})
}
