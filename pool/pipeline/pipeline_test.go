package pipeline

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

type pipeIn struct {
	X    shm.View[float64]
	N    int
	How  string
	Nap  time.Duration
	Size int
}

type pipeOut struct {
	N   int
	Y   shm.OwnedView[float64]
	Sum float64
}

func numbers(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// A Parcel says how large it is, whatever it takes.
type Parcel struct {
	n    int
	size int64
}

func (p Parcel) SizeBytes() int64 { return p.size }

// A census counts who is there, and the most there were.
type census struct {
	mu        sync.Mutex
	now, most int
}

func (c *census) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now += n
	c.most = max(c.most, c.now)
}

// sleepy is a stage that takes that long.
func sleepy(d time.Duration) func(context.Context, int) (int, error) {
	return func(_ context.Context, n int) (int, error) {
		time.Sleep(d)
		return n, nil
	}
}

// The first item is late by long: the rest waits for it, in bounds, and on nobody's CPU.
func TestLateItem(t *testing.T) {
	for _, window := range []int{1, 3, 8, 100} {
		synctest.Test(t, func(t *testing.T) {
			const width, queue, n = 4, 2, 1000
			var inFlight census
			pl := New(&Options{QueueItems: queue, Window: window})
			source := From(pl, func(yield func(int) bool) {
				for i := range n {
					inFlight.add(1)
					if !yield(i) {
						return
					}
				}
			})
			late := Go(pl, "late", source, func(_ context.Context, k int) (int, error) {
				if k == 0 {
					time.Sleep(time.Hour)
				}
				return k, nil
			}, width)
			next := 0
			begun := time.Now()
			go func() {
				time.Sleep(time.Minute)
				synctest.Wait() // all are blocked
				inFlight.mu.Lock()
				defer inFlight.mu.Unlock()
				if want := window + queue + 1; inFlight.now != want { // and what the source has in hand
					t.Errorf("window %d: %d in flight, want %d", window, inFlight.now, want)
				}
			}()
			require.NoError(t, Drain(t.Context(), late, func(_ context.Context, k int) error {
				require.Equal(t, next, k)
				next++
				inFlight.add(-1)
				return nil
			}))
			require.Equal(t, n, next)
			require.Equal(t, time.Hour, time.Since(begun))
			require.LessOrEqual(t, inFlight.most, window+2*queue+3)
		})
	}
}

// A slow consumer, and items of which few fit: so many are in flight and no more, to
// the end, whatever becomes of the items on the way.
func TestBytesInFlight(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		name       string
		most       int64
		sizes      [3]int64 // from the source, and of the results of two stages
		wantAtMost int      // items that are past the first stage
	}{
		{"all of a size", 16 * mib, [3]int64{mib, mib, mib}, 16},
		{"grow", 16 * mib, [3]int64{1, mib, mib}, 16 + 4},
		{"grow late", 16 * mib, [3]int64{1, 1, mib}, 16 + 2*16 + 8}, // the small ones fill the queues
		{"shrink", 16 * mib, [3]int64{mib, 1, 1}, 4*16 + 2},
		{"huge", 10 << 30, [3]int64{1 << 30, 1 << 30, 1 << 30}, 10},
		{"none fits", 1 << 30, [3]int64{3 << 30, 3 << 30, 3 << 30}, 1},
		{"of the largest number", 1 << 30, [3]int64{maxInt64, maxInt64, maxInt64}, 1},
	} {
		for _, unordered := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/unordered=%v", tt.name, unordered), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n := 300
					if soak() {
						n = 10_000
					}
					var inFlight census
					pl := New(&Options{MaxBytes: tt.most, Unordered: unordered})
					source := From(pl, func(yield func(Parcel) bool) {
						for i := range n {
							if !yield(Parcel{i, tt.sizes[0]}) {
								return
							}
						}
					})
					resize := func(to int64, counted bool) func(context.Context, Parcel) (Parcel, error) {
						return func(_ context.Context, p Parcel) (Parcel, error) {
							time.Sleep(time.Millisecond)
							if counted {
								inFlight.add(1)
							}
							p.size = to
							return p, nil
						}
					}
					one := Go(pl, "one", source, resize(tt.sizes[1], true), 4)
					two := Go(pl, "two", one, resize(tt.sizes[2], false), 4)
					written := 0
					require.NoError(t, Drain(t.Context(), two, func(_ context.Context, p Parcel) error {
						time.Sleep(20 * time.Millisecond)
						inFlight.add(-1)
						written++
						return nil
					}))
					require.Equal(t, n, written)
					require.LessOrEqual(t, inFlight.most, tt.wantAtMost)
					s := pl.Stats()
					require.Zero(t, s.Bytes)
					largest := slices.Max(tt.sizes[:])
					if largest < 1<<40 {
						require.LessOrEqual(t, s.HighBytes, tt.most+4*4*largest)
					}
				})
			})
		}
	}
}

// The byte bound leaves a stage its width, though the source could use up all of it.
func TestBudgetKeepsWidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pl := New(&Options{MaxBytes: 60, QueueItems: 100})
		source := From(pl, func(yield func(Parcel) bool) {
			for i := range 400 {
				if !yield(Parcel{i, 1}) {
					return
				}
			}
		})
		out := Go(pl, "sleep", source, func(_ context.Context, p Parcel) (Parcel, error) {
			time.Sleep(time.Second)
			return p, nil
		}, 4)
		begun := time.Now()
		require.NoError(t, Drain(t.Context(), out, func(context.Context, Parcel) error { return nil }))
		require.Equal(t, 100*time.Second, time.Since(begun))
	})
}

// Everything ends whoever ends it, and the error says who.
func TestEnds(t *testing.T) {
	told := errors.New("told to")
	for _, tt := range []struct {
		name  string
		stage string
		item  int64
		kind  string // of a PanicError
		run   func(ctx context.Context, pl *Pipeline) error
	}{
		{"source error", "source", 3, "", func(ctx context.Context, pl *Pipeline) error {
			return Drain(ctx, Go(pl, "go", FromErr(pl, func(yield func(int, error) bool) {
				_ = yield(0, nil) && yield(1, nil) && yield(2, nil) && yield(0, told)
			}), sleepy(time.Second), 2), func(context.Context, int) error { return nil })
		}},
		{"source panic", "source", 2, "panic", func(ctx context.Context, pl *Pipeline) error {
			return Drain(ctx, Go(pl, "go", From(pl, func(yield func(int) bool) {
				yield(0)
				yield(1)
				panic(told)
			}), sleepy(time.Second), 2), func(context.Context, int) error { return nil })
		}},
		{"source goexit", "source", 0, "goexit", func(ctx context.Context, pl *Pipeline) error {
			return Drain(ctx, From(pl, func(func(int) bool) { runtime.Goexit() }), func(context.Context, int) error { return nil })
		}},
		{"write error", "write", 5, "", func(ctx context.Context, pl *Pipeline) error {
			return Drain(ctx, Go(pl, "go", From(pl, numbers(1<<30)), sleepy(time.Second), 2), func(_ context.Context, n int) error {
				if n == 5 {
					return told
				}
				return nil
			})
		}},
		{"write panic", "write", 0, "panic", func(ctx context.Context, pl *Pipeline) error {
			return Drain(ctx, From(pl, numbers(1<<30)), func(context.Context, int) error { panic(told) })
		}},
		{"write goexit", "", 0, "", func(ctx context.Context, pl *Pipeline) error {
			ended := make(chan bool)
			go func() {
				defer close(ended)
				Drain(ctx, Go(pl, "go", From(pl, numbers(1<<30)), sleepy(time.Second), 2), func(context.Context, int) error { runtime.Goexit(); return nil })
				ended <- true
			}()
			if <-ended {
				return errors.New("it came back")
			}
			return &StageError{"", 0, told}
		}},
		{"a Sizer panics", "go", 4, "panic", func(ctx context.Context, pl *Pipeline) error {
			return Drain(ctx, Go(pl, "go", From(pl, numbers(1<<30)), func(_ context.Context, n int) (badSize, error) { return badSize(n), nil }, 1),
				func(context.Context, badSize) error { return nil })
		}},
		{"stages that look at their context", "wait", 0, "", func(ctx context.Context, pl *Pipeline) error {
			wait := func(ctx context.Context, n int) (int, error) {
				if n == 0 {
					time.Sleep(time.Second)
					return 0, told
				}
				<-ctx.Done()
				return 0, ctx.Err()
			}
			return Drain(ctx, Go(pl, "wait", From(pl, numbers(1<<30)), wait, 100), func(context.Context, int) error { return nil })
		}},
	} {
		for _, unordered := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/unordered=%v", tt.name, unordered), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					err := tt.run(t.Context(), New(&Options{QueueItems: 1, Unordered: unordered}))
					var failed *StageError
					require.ErrorAs(t, err, &failed)
					require.Equal(t, tt.stage, failed.Stage)
					require.Equal(t, tt.item, failed.Item)
					if tt.kind != "" {
						var broke *PanicError
						require.ErrorAs(t, err, &broke)
						require.Equal(t, tt.kind == "goexit", broke.Value == nil)
						require.Contains(t, broke.Stack, "goroutine ")
					}
					if tt.kind == "" || tt.kind == "panic" && tt.stage != "go" {
						require.ErrorIs(t, err, told)
					}
				})
			})
		}
	}
}

type badSize int

func (b badSize) SizeBytes() int64 {
	if b == 4 {
		panic("it is too heavy")
	}
	return -1
}

// The context ends at every moment there is: the error is its own, and nothing is left.
func TestContext(t *testing.T) {
	for after := range 40 {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(after)*time.Second/2)
			defer cancel()
			pl := New(&Options{QueueItems: 2, Unordered: after%2 == 0, MaxBytes: 40})
			released := new(atomic.Int32)
			held := int32(0)
			hold := Go(pl, "hold", From(pl, numbers(1<<30)), func(ctx context.Context, n int) (int, error) {
				atomic.AddInt32(&held, 1)
				Hold(ctx, releaser{released})
				time.Sleep(time.Second)
				return n, nil
			}, 3)
			err := Drain(ctx, Go(pl, "go", hold, sleepy(time.Second), 2), func(context.Context, int) error {
				time.Sleep(2 * time.Second)
				return nil
			})
			require.ErrorIs(t, err, context.DeadlineExceeded)
			require.Equal(t, held, released.Load())
		})
	}
}

type releaser struct{ n *atomic.Int32 }

func (r releaser) Release() { r.n.Add(1) }

func TestHoldElsewhere(t *testing.T) {
	require.Panics(t, func() { Hold(t.Context(), releaser{}) })
	h := &holds{}
	require.NoError(t, h.release())
	n := new(atomic.Int32)
	Hold(context.WithValue(t.Context(), holdKey{}, h), releaser{n}) // too late
	require.EqualValues(t, 1, n.Load())
}

// Doubling the width of the stage that is called the bottleneck halves the time, and
// that of another does not.
func TestVerdict(t *testing.T) {
	run := func(t *testing.T, widths [3]int) (wall time.Duration, s Stats) {
		synctest.Test(t, func(t *testing.T) {
			pl := New(nil)
			a := Go(pl, "fetch", From(pl, numbers(400)), sleepy(10*time.Millisecond), widths[0])
			b := Go(pl, "transform", a, sleepy(40*time.Millisecond), widths[1])
			c := Go(pl, "store", b, sleepy(5*time.Millisecond), widths[2])
			begun := time.Now()
			require.NoError(t, Drain(t.Context(), c, func(context.Context, int) error { return nil }))
			wall, s = time.Since(begun), pl.Stats()
		})
		return wall, s
	}
	base, s := run(t, [3]int{2, 2, 2})
	require.Equal(t, "transform", s.Bottleneck)
	require.Contains(t, s.Verdict, "transform is the bottleneck: its input queue was full 9")
	require.Contains(t, s.Verdict, "add I/O width to transform")
	require.Greater(t, s.Stages[2].Utilization, 0.99)
	require.InDelta(t, 0.25, s.Stages[1].Utilization, 0.02)
	require.Greater(t, s.Stages[2].QueueFull, 0.9)
	require.Greater(t, s.Stages[3].QueueEmpty, 0.9)
	for i, name := range []string{"fetch", "transform", "store"} {
		widths := [3]int{2, 2, 2}
		widths[i] *= 2
		wall, _ := run(t, widths)
		if name == s.Bottleneck {
			require.InDelta(t, 0.5, wall.Seconds()/base.Seconds(), 0.02, name)
		} else {
			require.InDelta(t, 1, wall.Seconds()/base.Seconds(), 0.02, name)
		}
	}
	_, s = run(t, [3]int{1, 8, 8})
	require.Equal(t, "fetch", s.Bottleneck)
	require.Contains(t, s.Verdict, "transform is starved")
	require.Contains(t, s.Verdict, "add I/O width to fetch")
	_, s = run(t, [3]int{1, 4, 1})
	require.Empty(t, s.Bottleneck)
	require.Contains(t, s.Verdict, "no single bottleneck: ")

	synctest.Test(t, func(t *testing.T) {
		pl := New(nil)
		require.Equal(t, "it has not begun", pl.Stats().Verdict)
		out := Go(pl, "go", From(pl, numbers(50)), sleepy(time.Millisecond), 2)
		go func() {
			time.Sleep(500 * time.Microsecond)
			s := pl.Stats()
			if s.Verdict != "nothing has come through yet" || !s.Running {
				t.Errorf("%+v", s)
			}
		}()
		require.NoError(t, Drain(t.Context(), out, slowly(10*time.Millisecond)))
		s := pl.Stats()
		require.Equal(t, "write", s.Bottleneck)
		require.Contains(t, s.Verdict, "move what is slow in it into a stage")
		require.Contains(t, pl.String(), s.Verdict)
		time.Sleep(time.Hour)
		require.Equal(t, s, pl.Stats(), "it has ended")

		pl = New(nil)
		require.NoError(t, Drain(t.Context(), From(pl, func(yield func(int) bool) {
			for i := range 10 {
				time.Sleep(time.Second)
				if !yield(i) {
					return
				}
			}
		}), slowly(0)))
		require.Equal(t, "source", pl.Stats().Bottleneck)
	})
}

func slowly(d time.Duration) func(context.Context, int) error {
	return func(context.Context, int) error { time.Sleep(d); return nil }
}

func TestRemedies(t *testing.T) {
	all := cores()
	for want, s := range map[string]StageStats{
		"add workers":                      {Kind: KindProcess, Width: 2, Workers: 2},
		"to its pool, which has 2":         {Kind: KindProcess, Width: 4, Workers: 2},
		"widen it, its pool has 4":         {Kind: KindProcess, Width: 2, Workers: 4},
		"more workers do not help":         {Kind: KindProcess, Width: all, Workers: all, CPUKnown: true, CPU: time.Duration(all) * time.Second},
		"move what is slow in it":          {Kind: KindWrite, Width: 1},
		"I/O width to s, or workers if it": {Kind: KindGoroutine, Width: 1},
	} {
		s.Name, s.Utilization, s.QueueFull = "s", 0.99, 0.93
		p := Stats{Wall: time.Second, Stages: []StageStats{{Name: "source"}, s, {Name: "write", In: 1, QueueEmpty: 0.8}}}
		p.judge()
		require.Equal(t, "s", p.Bottleneck)
		require.Contains(t, p.Verdict, want)
		require.Contains(t, p.Verdict, "full 93 % of the time")
		require.Contains(t, p.Verdict, "write is starved")
	}
	p := Stats{Wall: time.Second, MaxBytes: 77, Stages: []StageStats{{Name: "source"}, {Name: "s", BudgetWait: 900 * time.Millisecond}, {Name: "write", In: 1}}}
	p.judge()
	require.Empty(t, p.Bottleneck)
	require.Contains(t, p.Verdict, "the bound of 77 bytes is short: s waited for it 90 % of the time")
}

func TestMisuse(t *testing.T) {
	ctx := t.Context()
	pass := func(_ context.Context, n int) (int, error) { return n, nil }
	require.Panics(t, func() { From[int](New(nil), nil) })
	for name, misuse := range map[string]func(pl *Pipeline, in *Flow[int]){
		"two sources":        func(pl *Pipeline, in *Flow[int]) { From(pl, numbers(1)) },
		"no function":        func(pl *Pipeline, in *Flow[int]) { Go[int, int](pl, "a", in, nil, 1) },
		"taken":              func(pl *Pipeline, in *Flow[int]) { Go(pl, "a", in, pass, 1); Go(pl, "b", in, pass, 1) },
		"taken name":         func(pl *Pipeline, in *Flow[int]) { Go(pl, "a", Go(pl, "a", in, pass, 1), pass, 1) },
		"other pipeline":     func(pl *Pipeline, in *Flow[int]) { Go(New(nil), "a", in, pass, 1) },
		"no pool":            func(pl *Pipeline, in *Flow[int]) { Proc[int, int](pl, "a", in, nil, nil, 1) },
		"no write":           func(pl *Pipeline, in *Flow[int]) { Drain(ctx, in, nil) },
		"drained twice":      func(pl *Pipeline, in *Flow[int]) { Drain(ctx, in, slowly(0)); Drain(ctx, in, slowly(0)) },
		"a stage afterwards": func(pl *Pipeline, in *Flow[int]) { Drain(ctx, in, slowly(0)); Go(pl, "a", in, pass, 1) },
	} {
		pl := New(nil)
		in := From(pl, numbers(1))
		require.Panics(t, func() { misuse(pl, in) }, name)
	}
	bad := New(&Options{MaxBytes: -1})
	require.ErrorContains(t, Drain(ctx, From(bad, numbers(1)), slowly(0)), "negative bound in MaxBytes -1")
	bad = New(nil)
	require.ErrorContains(t, Drain(ctx, Go(bad, "a", From(bad, numbers(1)), pass, -1), slowly(0)), `width -1 of stage "a"`)
	pl := New(nil)
	a := From(pl, numbers(1))
	Go(pl, "a", a, pass, 1)
	b := &Flow[int]{pl: pl}
	require.ErrorContains(t, Drain(ctx, b, slowly(0)), `nobody takes what comes out of stage "a"`)
}

func TestSizers(t *testing.T) {
	type nested struct {
		Name  string
		Parts [][]byte
		Next  *nested
	}
	check := func(name string, heap, arrays, wantHeap, wantArrays int64) {
		t.Helper()
		require.Equal(t, wantHeap, heap, name)
		require.Equal(t, wantArrays, arrays, name)
	}
	h, a := newSizer[int]()(new(int))
	check("int", h, a, 8, 0)
	s := "hello"
	h, a = newSizer[string]()(&s)
	check("string", h, a, 16+5, 0)
	b := make([]byte, 10, 100)
	h, a = newSizer[[]byte]()(&b)
	check("bytes", h, a, 24+100, 0)
	n := nested{"ab", [][]byte{make([]byte, 3), nil}, &nested{}}
	h, a = newSizer[nested]()(&n)
	check("nested", h, a, 48+2+2*24+3, 0)
	p := &n
	h, a = newSizer[*nested]()(&p)
	check("pointer", h, a, 8+48+2+2*24+3, 0)
	p = nil
	h, a = newSizer[*nested]()(&p)
	check("nil", h, a, 8, 0)
	h, a = newSizer[Parcel]()(&Parcel{1, 77})
	check("declared", h, a, 0, 77)
	neg := badSize(1)
	h, a = newSizer[badSize]()(&neg)
	check("negative", h, a, 0, 0)
	var any1 any = Parcel{1, 78}
	h, a = newSizer[any]()(&any1)
	check("declared behind an interface", h, a, 0, 78)
	any1 = 5
	h, a = newSizer[any]()(&any1)
	check("interface", h, a, 16, 0)
	var out pipeOut
	h, a = newSizer[pipeOut]()(&out)
	check("a View without elements", h, a, int64(reflect.TypeFor[pipeOut]().Size()), 0)
	views := []shm.View[float64]{{}, {}}
	h, a = newSizer[[]shm.View[float64]]()(&views)
	check("slice of Views", h, a, 24+2*int64(reflect.TypeFor[shm.View[float64]]().Size()), 0)

	// A struct that embeds a Sizer beside other fields has its method, which knows nothing of them.
	type labelled struct {
		Parcel
		Label string
	}
	l := labelled{Parcel{1, 77}, "hello"}
	h, a = newSizer[labelled]()(&l)
	check("embedded", h, a, int64(reflect.TypeFor[labelled]().Size())+5, 77-int64(reflect.TypeFor[Parcel]().Size()))
	lp := &l
	h, a = newSizer[*labelled]()(&lp)
	check("embedded behind a pointer", h, a, 8+int64(reflect.TypeFor[labelled]().Size())+5, 77-int64(reflect.TypeFor[Parcel]().Size()))
	ls := []Parcel{{1, 77}, {2, 78}}
	h, a = newSizer[[]Parcel]()(&ls)
	check("in a slice", h, a, 24+2*int64(reflect.TypeFor[Parcel]().Size()), 77+78-2*int64(reflect.TypeFor[Parcel]().Size()))
	type alone struct{ Parcel }
	h, a = newSizer[alone]()(&alone{Parcel{1, 79}})
	check("the only field", h, a, 0, 79)
}

// Pipelines of goroutines, of any shape, in which anything may happen: each comes to an
// end, with everything or with an error, and nothing is left of it.
func TestRandomGraphs(t *testing.T) {
	runs := 3000
	switch {
	case soak():
		runs = 200_000
	case raceEnabled || testing.Short():
		runs = 400
	}
	seed := rand.Uint64()
	for i := range runs {
		r := rand.New(rand.NewPCG(seed, uint64(i)))
		synctest.Test(t, func(t *testing.T) {
			defer func() {
				if t.Failed() {
					t.Logf("seed %d, run %d", seed, i)
				}
			}()
			randomGraph(t, r)
		})
		if t.Failed() {
			t.Fatalf("seed %d, run %d", seed, i)
		}
	}
}

func randomGraph(t *testing.T, r *rand.Rand) {
	bound := func() int64 { return int64(r.IntN(1 << r.IntN(8))) }
	pl := New(&Options{
		MaxBytes: bound() + 1, QueueItems: int(bound()) + 1, Window: int(bound()), Unordered: r.IntN(2) == 0,
	})
	n := r.IntN(60)
	held, released := new(atomic.Int32), new(atomic.Int32)
	flow := From(pl, func(yield func(Parcel) bool) {
		for i := range n {
			if !yield(Parcel{i, bound2(i)}) {
				return
			}
		}
	})
	ways := [...]string{"error", "panic", "goexit"}
	fault := map[string]string{} // stage and item
	stages := 1 + r.IntN(5)
	for k := range stages {
		name := fmt.Sprint("stage", k)
		if n > 0 && r.IntN(6) == 0 {
			fault[fmt.Sprint(name, " ", r.IntN(n))] = ways[r.IntN(3)]
		}
		naps, grows := r.IntN(4), r.Int64N(100)
		flow = Go(pl, name, flow, func(ctx context.Context, p Parcel) (Parcel, error) {
			held.Add(1)
			Hold(ctx, releaser{released})
			time.Sleep(time.Duration((p.n*7+k*3)%(naps+1)) * time.Millisecond)
			switch fault[fmt.Sprint(name, " ", p.n)] {
			case "error":
				return p, errors.New("told to")
			case "panic":
				panic("told to")
			case "goexit":
				runtime.Goexit()
			}
			p.size = p.size*grows/50 + bound2(p.n+k)
			return p, nil
		}, r.IntN(9))
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	leave := -1
	switch r.IntN(6) {
	case 0:
		time.AfterFunc(time.Duration(r.IntN(100))*time.Millisecond, cancel)
	case 1:
		leave = r.IntN(n + 1)
	}
	left := errors.New("left")
	seen := make([]bool, n)
	count := 0
	err := Drain(ctx, flow, func(_ context.Context, p Parcel) error {
		if seen[p.n] || !pl.opts.Unordered && p.n != count {
			t.Errorf("item %d after %d others", p.n, count)
		}
		seen[p.n] = true
		if count++; count-1 == leave {
			return left
		}
		return nil
	})
	var failed *StageError
	switch {
	case err == nil:
		require.Equal(t, n, count)
		require.Empty(t, fault)
	case errors.Is(err, left):
		require.Equal(t, leave+1, count)
	case errors.Is(err, context.Canceled):
	default:
		require.ErrorAs(t, err, &failed)
		require.Contains(t, fault, fmt.Sprint(failed.Stage, " ", failed.Item))
	}
	require.Equal(t, held.Load(), released.Load())
	s := pl.Stats()
	require.Zero(t, s.Bytes)
	pl.run.budget.mu.Lock()
	for _, inside := range pl.run.budget.inside {
		require.Zero(t, inside)
	}
	pl.run.budget.mu.Unlock()
	require.False(t, strings.Contains(s.Verdict, "NaN"))
}

func bound2(n int) int64 { return int64(n * n % 97) }
