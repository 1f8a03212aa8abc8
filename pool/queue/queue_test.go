package queue

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"weak"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func newQueue[T any](opts *Options) *Queue[T] {
	q, err := New[T](opts)
	if err != nil {
		panic(err)
	}
	return q
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		name      string
		opts      *Options
		wantItems int
		wantBytes int64
		wantError string
	}{
		{"nil", nil, DefaultItems, DefaultBytes, ""},
		{"zero", &Options{}, DefaultItems, DefaultBytes, ""},
		{"set", &Options{MaxItems: 3, MaxBytes: 5}, 3, 5, ""},
		{"huge", &Options{MaxItems: math.MaxInt, MaxBytes: math.MaxInt64}, math.MaxInt, math.MaxInt64, ""},
		{"negative items", &Options{MaxItems: -7}, 0, 0, "queue: New: MaxItems is -7"},
		{"negative bytes", &Options{MaxBytes: -8}, 0, 0, "queue: New: MaxBytes is -8"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.wantError != "" {
				_, err := New[int](tt.opts)
				require.ErrorContains(t, err, tt.wantError)
				return
			}
			var before Options
			if tt.opts != nil {
				before = *tt.opts
			}
			q := newQueue[int](tt.opts)
			s := q.Stats()
			if s.MaxItems != tt.wantItems || s.MaxBytes != tt.wantBytes {
				t.Errorf("bounds: got %d items, %d bytes, want %d, %d", s.MaxItems, s.MaxBytes, tt.wantItems, tt.wantBytes)
			}
			require.NoError(t, q.Put(t.Context(), 1, 1))
			if tt.opts != nil && *tt.opts != before {
				t.Errorf("the caller's options were edited: got %+v, want %+v", *tt.opts, before)
			}
		})
	}
	require.PanicsWithValue(t, "queue: Queue.Put: bytes is -1", func() {
		newQueue[int](nil).Put(t.Context(), 0, -1)
	})
}

// Each row puts items of the given charges with nobody taking them; want is
// how many are admitted before a Put blocks.
func TestBounds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		opts  Options
		sizes []int64
		want  int
	}{
		{"items", Options{MaxItems: 3, MaxBytes: 100}, []int64{1, 1, 1, 1}, 3},
		{"bytes", Options{MaxItems: 9, MaxBytes: 10}, []int64{4, 6, 1}, 2},
		{"bytes exactly", Options{MaxItems: 9, MaxBytes: 10}, []int64{10, 0, 1}, 2},
		{"too large, alone", Options{MaxItems: 9, MaxBytes: 10}, []int64{11, 0}, 1},
		{"too large, behind another", Options{MaxItems: 9, MaxBytes: 10}, []int64{1, 11}, 1},
		{"largest number, no overflow", Options{MaxItems: 9, MaxBytes: 10}, []int64{1, math.MaxInt64}, 1},
		{"largest bound, no overflow", Options{MaxItems: 9, MaxBytes: math.MaxInt64}, []int64{math.MaxInt64, 1}, 1},
		{"no charge", Options{MaxItems: 2, MaxBytes: 1}, []int64{0, 0, 0}, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				q := newQueue[int](&tt.opts)
				for i, size := range tt.sizes {
					go func() { q.Put(t.Context(), i, size) }()
					synctest.Wait() // so that they arrive in order
				}
				if got := q.Stats().Items; got != tt.want {
					t.Errorf("admitted: got %d, want %d", got, tt.want)
				}
				for want := range tt.sizes { // the blocked ones follow, in order
					got, err := q.Get(t.Context())
					require.NoError(t, err)
					require.Equal(t, want, got)
				}
			})
		})
	}
}

func TestClose(t *testing.T) {
	ctx := context.Background()
	t.Run("drains", func(t *testing.T) {
		q := newQueue[string](nil)
		require.NoError(t, q.Put(ctx, "a", 1))
		require.NoError(t, q.Put(ctx, "b", 1))
		require.NoError(t, q.Close())
		require.NoError(t, q.Close())
		require.ErrorIs(t, q.Put(ctx, "c", 1), ErrClosed)
		for _, want := range []string{"a", "b"} {
			got, err := q.Get(ctx)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
		_, err := q.Get(ctx)
		require.ErrorIs(t, err, ErrClosed)
	})
	t.Run("wakes blocked Puts", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue[int](&Options{MaxItems: 1})
			require.NoError(t, q.Put(ctx, 0, 1))
			var refused atomic.Int32
			for range 10 {
				go func() {
					if errors.Is(q.Put(ctx, 1, 1), ErrClosed) {
						refused.Add(1)
					}
				}()
			}
			synctest.Wait()
			q.Close()
			synctest.Wait()
			require.EqualValues(t, 10, refused.Load())
			got, err := q.Get(ctx)
			require.NoError(t, err)
			require.Equal(t, 0, got)
			_, err = q.Get(ctx)
			require.ErrorIs(t, err, ErrClosed)
		})
	})
	t.Run("wakes blocked Gets", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue[int](nil)
			var refused atomic.Int32
			for range 10 {
				go func() {
					if _, err := q.Get(ctx); errors.Is(err, ErrClosed) {
						refused.Add(1)
					}
				}()
			}
			synctest.Wait()
			q.Close()
			synctest.Wait()
			require.EqualValues(t, 10, refused.Load())
		})
	})
}

func TestEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	q := newQueue[int](nil)
	require.NoError(t, q.Put(ctx, 1, 1))
	cancel()
	require.ErrorIs(t, q.Put(ctx, 2, 1), context.Canceled)
	_, err := q.Get(ctx)
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, 1, q.Stats().Items, "an ended context neither puts nor takes")
}

func TestLetsGo(t *testing.T) {
	q := newQueue[*[64]byte](nil)
	v := new([64]byte)
	seen := weak.Make(v)
	require.NoError(t, q.Put(t.Context(), v, 64))
	_, err := q.Get(t.Context())
	require.NoError(t, err)
	v = nil
	runtime.GC()
	require.Nil(t, seen.Value(), "the queue still refers to an item that was taken")
	runtime.KeepAlive(q)
}

// A large Put at the head of the line gives up; the small one behind it fits
// and must be admitted although nobody takes anything.
func TestCancelPassesTheTurnOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue[string](&Options{MaxBytes: 10})
		require.NoError(t, q.Put(t.Context(), "first", 6))
		ctx, cancel := context.WithCancel(t.Context())
		go q.Put(ctx, "large", 8)
		synctest.Wait()
		var admitted atomic.Bool
		go func() { admitted.Store(q.Put(t.Context(), "small", 4) == nil) }()
		synctest.Wait()
		require.False(t, admitted.Load(), "a small Put must not overtake a large one")
		cancel()
		synctest.Wait()
		require.True(t, admitted.Load())
		require.Equal(t, int64(10), q.Stats().Bytes)
	})
}

func TestBlockedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue[int](&Options{MaxItems: 1})
		go q.Get(t.Context())
		go q.Get(t.Context())
		synctest.Wait()
		time.Sleep(3 * time.Second)
		q.Put(t.Context(), 0, 5)
		time.Sleep(time.Second)
		s := q.Stats()
		want := Stats{
			MaxItems: 1, MaxBytes: DefaultBytes, HighItems: 1, HighBytes: 5, Puts: 1, Gets: 1,
			GetsBlocked: 2, GetsWaiting: 1, GetBlockedTime: 7 * time.Second, // 3 and, going on, 4
			Age: 4 * time.Second, EmptyTime: 4 * time.Second,
		}
		require.Equal(t, want, s)

		q.Put(t.Context(), 0, 5) // to the second Get
		q.Put(t.Context(), 1, 5)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		require.ErrorIs(t, q.Put(ctx, 2, 5), context.DeadlineExceeded)
		time.Sleep(time.Hour) // nobody waits: not counted
		want = Stats{
			Items: 1, Bytes: 5, MaxItems: 1, MaxBytes: DefaultBytes, HighItems: 1, HighBytes: 5, Puts: 3, Gets: 2,
			PutsBlocked: 1, PutBlockedTime: 2 * time.Second, GetsBlocked: 2, GetBlockedTime: 7 * time.Second,
			Age: time.Hour + 6*time.Second, EmptyTime: 4 * time.Second, FullTime: time.Hour + 2*time.Second,
		}
		require.Equal(t, want, q.Stats())
	})
}

// Full is what makes a Put wait: items, bytes, or a large one that came before.
func TestFullTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue[int](&Options{MaxItems: 2, MaxBytes: 10})
		full := func(want time.Duration) {
			t.Helper()
			require.Equal(t, want, q.Stats().FullTime)
		}
		q.Put(t.Context(), 1, 1)
		time.Sleep(time.Second)
		full(0)
		q.Put(t.Context(), 2, 1) // items
		time.Sleep(time.Second)
		full(time.Second)
		q.Get(t.Context())
		q.Get(t.Context())
		q.Put(t.Context(), 3, 10) // bytes
		time.Sleep(time.Second)
		full(2 * time.Second)
		q.Get(t.Context())
		q.Put(t.Context(), 4, 5)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.Error(t, q.Put(ctx, 5, 6)) // there would be room for less
		full(3 * time.Second)
		time.Sleep(time.Second)
		full(3 * time.Second)
		require.Zero(t, q.Stats().EmptyTime)
	})
}

// A large item waits for those before it, however many small ones come after it.
func TestStarvesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue[int](&Options{MaxItems: 100, MaxBytes: 10})
		for i := range 9 {
			q.Put(t.Context(), i, 1)
		}
		go q.Put(t.Context(), 9, 10)
		synctest.Wait()
		for i := 10; i < 50; i++ {
			go q.Put(t.Context(), i, 1)
			synctest.Wait()
		}
		for i := range 50 {
			v, err := q.Get(t.Context())
			require.NoError(t, err)
			require.Equal(t, i, v)
		}
	})
}

func TestAll(t *testing.T) {
	q := newQueue[int](nil)
	for i := range 10 {
		require.NoError(t, q.Put(t.Context(), i, 1))
	}
	next := 0
	for v, err := range q.All(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, next, v)
		if next++; next == 4 {
			break
		}
	}
	require.Equal(t, 6, q.Stats().Items, "what was not yielded stays")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ends := 0
	for v, err := range q.All(ctx) {
		if err != nil {
			require.ErrorIs(t, err, context.Canceled)
			require.Zero(t, v)
			ends++
			continue
		}
		require.Equal(t, next, v)
		if next++; next == 7 {
			cancel()
		}
	}
	require.Equal(t, 1, ends)
	q.Close()
	for v, err := range q.All(t.Context()) {
		require.NoError(t, err)
		require.Equal(t, next, v)
		next++
	}
	require.Equal(t, 10, next)
}

// Producers and consumers give up at random all the time. Every item whose
// Put succeeded comes out exactly once, no other does, and the bounds hold.
func TestCountsEveryItemOnce(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	const producers, consumers, each = 8, 8, 2000
	q := newQueue[int](&Options{MaxItems: 4, MaxBytes: 64})
	var putOK, taken [producers * each]atomic.Int32
	// A deadline of some microseconds falls before, into and after the wait.
	brief := func(r *rand.Rand) (context.Context, context.CancelFunc) {
		return context.WithTimeout(context.Background(), time.Duration(r.IntN(60))*time.Microsecond)
	}
	var puts, gets sync.WaitGroup
	for p := range producers {
		puts.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(p)))
			for i := range each {
				id := p*each + i
				ctx, cancel := brief(r)
				err := q.Put(ctx, id, int64(r.IntN(100))) // some larger than the bound
				cancel()
				if err == nil {
					putOK[id].Add(1)
				} else if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("Put: %v", err)
				}
			}
		})
	}
	for c := range consumers {
		gets.Go(func() {
			r := rand.New(rand.NewPCG(2, uint64(c)))
			for {
				ctx, cancel := brief(r)
				id, err := q.Get(ctx)
				cancel()
				switch {
				case err == nil:
					taken[id].Add(1)
				case errors.Is(err, ErrClosed):
					return
				case !errors.Is(err, context.DeadlineExceeded):
					t.Errorf("Get: %v", err)
				}
			}
		})
	}
	puts.Wait()
	q.Close()
	gets.Wait()
	n := 0
	for id := range putOK {
		if got, want := taken[id].Load(), putOK[id].Load(); got != want {
			t.Fatalf("item %d: put %d times, taken %d times", id, want, got)
		}
		n += int(putOK[id].Load())
	}
	s := q.Stats()
	if n == 0 || n == producers*each {
		t.Logf("%d of %d puts succeeded: cancellation was hardly exercised", n, producers*each)
	}
	require.Equal(t, uint64(n), s.Puts)
	require.Equal(t, uint64(n), s.Gets)
	require.LessOrEqual(t, s.HighItems, 4)
	require.Less(t, s.HighBytes, int64(100))
	s.HighItems, s.HighBytes, s.Puts, s.Gets = 0, 0, 0, 0
	s.PutsBlocked, s.GetsBlocked, s.PutBlockedTime, s.GetBlockedTime = 0, 0, 0, 0
	require.LessOrEqual(t, s.FullTime+s.EmptyTime, s.Age)
	s.Age, s.FullTime, s.EmptyTime = 0, 0, 0
	require.Equal(t, Stats{MaxItems: 4, MaxBytes: 64, Closed: true}, s, "something is left behind")
}

// Close runs into blocked and arriving callers; all of them return, and what
// was admitted is taken or still there.
func TestCloseRaces(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx := context.Background()
	for range 300 {
		q := newQueue[int](&Options{MaxItems: 2})
		var in, out atomic.Int32
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for q.Put(ctx, 1, 1) == nil {
					in.Add(1)
				}
			})
			wg.Go(func() {
				for {
					if _, err := q.Get(ctx); err != nil {
						return
					}
					out.Add(1)
				}
			})
			wg.Go(func() { q.Close() })
		}
		wg.Wait()
		require.Equal(t, in.Load(), out.Load())
	}
}

// FuzzQueue runs a sequence of calls against a plain model: a list of what is
// held and a list of who waits. Each byte is one step; after each step every
// call has returned or is blocked, and exactly as the model says.
func FuzzQueue(f *testing.F) {
	f.Add([]byte{0x10, 0xf0, 0x20, 1, 1, 1})                // too large an item among others
	f.Add([]byte{1, 1, 2, 0x10, 3, 0x10})                   // a Get that gives up, then Close
	f.Add([]byte{0x50, 0x50, 0x50, 2, 0x10, 1, 6, 1, 1, 3}) // blocked Puts, two give up
	r := rand.New(rand.NewPCG(3, 4))
	for range 40 {
		steps := make([]byte, 60)
		for i := range steps {
			steps[i] = [...]byte{0, 0, 0, 1, 1, 2, 3}[r.IntN(7)] | byte(r.IntN(64))<<2
		}
		f.Add(steps)
	}
	f.Fuzz(func(t *testing.T, steps []byte) {
		if len(steps) > 200 {
			steps = steps[:200]
		}
		synctest.Test(t, func(t *testing.T) { runQueueModel(t, steps) })
	})
}

// A queueCall is one Put or Get, as the model expects it and as it went.
type queueCall struct {
	isPut  bool
	bytes  int64
	want   string // "" while it must be blocked
	got    string // "" while it is blocked
	cancel context.CancelFunc
}

func runQueueModel(t *testing.T, steps []byte) {
	const maxItems, maxBytes = 3, 20
	q := newQueue[int](&Options{MaxItems: maxItems, MaxBytes: maxBytes})
	var calls []*queueCall // an item's value is the index of its Put
	var held, putters, getters []int
	closed := false
	settle := func() {
		for {
			bytes := int64(0)
			for _, i := range held {
				bytes += calls[i].bytes
			}
			switch {
			case len(getters) > 0 && len(held) > 0:
				calls[getters[0]].want = fmt.Sprint("item ", held[0])
				getters, held = getters[1:], held[1:]
			case len(putters) > 0 && (len(held) == 0 || len(held) < maxItems && bytes+calls[putters[0]].bytes <= maxBytes):
				calls[putters[0]].want = "ok"
				held, putters = append(held, putters[0]), putters[1:]
			case closed:
				for _, i := range append(putters, getters...) {
					calls[i].want = ErrClosed.Error()
				}
				putters, getters = nil, nil
				return
			default:
				return
			}
		}
	}
	start := func(isPut bool, bytes int64) {
		ctx, cancel := context.WithCancel(t.Context())
		id, c := len(calls), &queueCall{isPut: isPut, bytes: bytes, cancel: cancel}
		calls = append(calls, c)
		go func() {
			got, v, err := "ok", 0, error(nil)
			if isPut {
				err = q.Put(ctx, id, bytes)
			} else if v, err = q.Get(ctx); err == nil {
				got = fmt.Sprint("item ", v)
			}
			if err != nil {
				got = err.Error()
			}
			c.got = got
		}()
		switch {
		case isPut && closed:
			c.want = ErrClosed.Error()
		case isPut:
			putters = append(putters, id)
		default:
			getters = append(getters, id)
		}
		settle()
	}
	giveUp := func(waiting []int, nth int) []int {
		if len(waiting) == 0 {
			return waiting
		}
		nth %= len(waiting)
		c := calls[waiting[nth]]
		c.want = context.Canceled.Error()
		c.cancel()
		return append(waiting[:nth:nth], waiting[nth+1:]...)
	}
	check := func(step int) {
		synctest.Wait()
		for i, c := range calls {
			if c.got != c.want {
				t.Fatalf("step %d of % x: call %d (put %v, %d bytes): got %q, want %q", step, steps, i, c.isPut, c.bytes, c.got, c.want)
			}
		}
		s := q.Stats()
		if s.Items != len(held) || s.PutsWaiting != len(putters) || s.GetsWaiting != len(getters) {
			t.Fatalf("step %d of % x: got %+v, want %d held, %d and %d waiting", step, steps, s, len(held), len(putters), len(getters))
		}
	}
	for n, b := range steps {
		arg := int(b >> 2)
		switch b & 3 {
		case 0:
			start(true, int64(arg)%32)
		case 1:
			start(false, 0)
		case 2:
			if arg&1 == 0 {
				putters = giveUp(putters, arg>>1)
			} else {
				getters = giveUp(getters, arg>>1)
			}
			settle()
		case 3:
			if arg%8 == 0 { // rarer: little happens afterwards
				closed = true
				q.Close()
				settle()
			}
		}
		check(n)
	}
	closed = true
	q.Close()
	settle()
	check(len(steps))
	for _, c := range calls {
		c.cancel()
	}
}

// One producer and one consumer; the channel of the same depth is the
// baseline, though it bounds items only.
func BenchmarkQueue(b *testing.B) {
	ctx := context.Background()
	for _, items := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("impl=queue/items=%d", items), func(b *testing.B) {
			b.ReportAllocs()
			q := newQueue[int](&Options{MaxItems: items})
			go func() {
				for i := 0; q.Put(ctx, i, 8) == nil; i++ {
				}
			}()
			for b.Loop() {
				q.Get(ctx)
			}
			q.Close()
		})
		b.Run(fmt.Sprintf("impl=channel/items=%d", items), func(b *testing.B) {
			b.ReportAllocs()
			ch, done := make(chan int, items), make(chan struct{})
			go func() {
				for i := 0; ; i++ {
					select {
					case ch <- i:
					case <-done:
						return
					}
				}
			}()
			for b.Loop() {
				<-ch
			}
			close(done)
		})
	}
}

// A Put and a Get that never wait: the price of the bookkeeping alone.
func BenchmarkUncontended(b *testing.B) {
	ctx := context.Background()
	b.Run("impl=queue", func(b *testing.B) {
		b.ReportAllocs()
		q := newQueue[int](nil)
		for b.Loop() {
			q.Put(ctx, 1, 8)
			q.Get(ctx)
		}
	})
	b.Run("impl=channel", func(b *testing.B) {
		b.ReportAllocs()
		ch := make(chan int, DefaultItems)
		for b.Loop() {
			ch <- 1
			<-ch
		}
	})
}
