package shm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestArenaReusesAndZeroes(t *testing.T) {
	a := newRun(t).NewArena(&ArenaOptions{SegmentBytes: 1 << 20})
	x, err := Make[float64](a, 10, 10)
	require.NoError(t, err)
	require.Equal(t, 100, x.Len())
	x.Data()[99] = 5
	require.Equal(t, 5.0, x.At(9, 9))
	require.Panics(t, func() { x.At(9) })
	require.Panics(t, func() { x.At(0, 10) })
	old := x.Ref()
	v, err := Lookup[float64](a, old)
	require.NoError(t, err)
	x.Release()
	require.Equal(t, 5.0, v.Data()[99], "a looked-up view pins the block")

	y, err := Make[float64](a, 100)
	require.NoError(t, err)
	require.NotEqual(t, old.Offset, y.Ref().Offset, "the pinned block was given out")
	v.Release()
	z, err := Make[float64](a, 100)
	require.NoError(t, err)
	require.Equal(t, old.Offset, z.Ref().Offset)
	require.Greater(t, z.Ref().Generation, old.Generation)
	require.Zero(t, z.Data()[99], "a recycled block shows the last job's data")
	_, err = Lookup[float64](a, old)
	require.ErrorIs(t, err, ErrStale)
	z.Data()[0] = 3
	z.Release()
	u, err := MakeUnzeroed[float64](a, 100)
	require.NoError(t, err)
	if !assertions {
		require.Equal(t, 3.0, u.Data()[0])
	}
	u.Release()
	y.Release()
	require.Equal(t, 1, a.Stats().Segments)
}

func TestArenaBudget(t *testing.T) {
	a := newRun(t).NewArena(&ArenaOptions{SegmentBytes: 64 << 10, MaxBytes: 128 << 10})
	_, err := Make[byte](a, 256<<10)
	require.ErrorIs(t, err, ErrFull)
	x, err := Make[byte](a, 128<<10)
	require.NoError(t, err)
	_, err = Make[byte](a, 1)
	require.ErrorIs(t, err, ErrFull)
	x.Release()
	y, err := Make[byte](a, 128<<10)
	require.NoError(t, err)
	defer y.Release()
	_, err = Make[complex128](a, 1<<62, 1<<62)
	require.Error(t, err)
	_, err = Make[byte](a, -1)
	require.Error(t, err)
}

func TestEmptyArraysNeedNoMemory(t *testing.T) {
	a := newRun(t).NewArena(nil)
	x, err := Make[int64](a, 3, 0)
	require.NoError(t, err)
	require.Empty(t, x.Data())
	require.Empty(t, x.View().Data())
	x.Release()
	require.Zero(t, a.Stats().Mapped)
	var zero OwnedView[float64]
	require.Empty(t, zero.Data())
	zero.Release()
	v, err := Bind[int64](nil, x.Ref())
	require.NoError(t, err)
	require.Zero(t, v.Len())
}

func TestBindRefuses(t *testing.T) {
	r := newRun(t)
	a := r.NewArena(nil)
	x, err := PutCopy(a, []uint8{0, 1, 2})
	require.NoError(t, err)
	defer x.Release()
	seg := a.slabs[0].seg
	ref := x.Ref()
	_, err = Bind[float64](seg, ref)
	require.ErrorContains(t, err, "expected float64")
	asBool := ref
	asBool.DType = Bool
	_, err = Bind[bool](seg, asBool)
	require.ErrorContains(t, err, "element 2 is the byte 2")
	other := ref
	other.Segment = "other"
	_, err = Bind[uint8](seg, other)
	require.ErrorContains(t, err, "bound to segment")
	ro, err := Attach(seg.Name(), 0, ReadOnly)
	require.NoError(t, err)
	defer ro.Close()
	_, err = BindArray[uint8](ro, ref)
	require.ErrorContains(t, err, "read-only")
	require.Panics(t, func() { PutCopy(a, []uint8{1}, 2) })
}

func TestCast(t *testing.T) {
	a := newRun(t).NewArena(nil)
	x, err := Make[byte](a, 64)
	require.NoError(t, err)
	defer x.Release()
	x.Data()[16] = 7
	v, err := Reinterpret[int64](x.View(), 8, 2, 3)
	require.NoError(t, err)
	require.Equal(t, int64(7), v.At(0, 1))
	require.Equal(t, x.Ref().Offset+8, v.Ref().Offset)
	got, err := Bind[int64](a.slabs[0].seg, v.Ref())
	require.NoError(t, err)
	defer got.Release()
	require.Equal(t, v.Data(), got.Data())
	for name, f := range map[string]func() error{
		"past the end": func() error { _, err := Reinterpret[int64](x.View(), 8, 8); return err },
		"misaligned":   func() error { _, err := Reinterpret[int64](x.View(), 4, 1); return err },
		"negative":     func() error { _, err := Reinterpret[int64](x.View(), -8, 1); return err },
		"misaligned below": func() error {
			odd, err := Reinterpret[byte](x.View(), 1, 32)
			require.NoError(t, err)
			_, err = Reinterpret[int64](odd, 0, 1)
			return err
		},
		"not bools": func() error { _, err := Reinterpret[bool](x.View(), 0, 64); return err },
	} {
		require.Error(t, f(), name)
	}
	none, err := Reinterpret[int64](x.View(), 0, 0)
	require.NoError(t, err)
	require.Empty(t, none.Data())
}

// A waiting Make gets the room that a release makes, in the order of coming.
func TestMakeWait(t *testing.T) {
	a := newRun(t).NewArena(&ArenaOptions{MaxBytes: 1 << 20})
	big, err := Make[byte](a, 1<<20)
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = MakeWait[byte](ctx, a, 1)
	require.ErrorIs(t, err, ErrFull)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	_, err = MakeWait[byte](t.Context(), a, 2<<20)
	require.ErrorIs(t, err, ErrTooLarge)
	require.ErrorIs(t, err, ErrFull)
	require.NotErrorIs(t, err, context.DeadlineExceeded)

	const n = 8
	order := make(chan int, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			x, err := MakeWait[byte](t.Context(), a, 1<<20) // the whole budget: one at a time
			if err != nil {
				t.Error(err)
				return
			}
			order <- i
			x.Release()
		})
		for waiting(a) < i+1 {
			time.Sleep(time.Millisecond)
		}
	}
	big.Release()
	wg.Wait()
	close(order)
	want := 0
	for i := range order {
		require.Equal(t, want, i)
		want++
	}
	require.Equal(t, n, want)

	x, err := MakeWait[byte](t.Context(), a, 1<<20)
	require.NoError(t, err)
	failed := make(chan error)
	go func() {
		_, err := MakeWait[byte](t.Context(), a, 1)
		failed <- err
	}()
	for waiting(a) < 1 {
		time.Sleep(time.Millisecond)
	}
	require.NoError(t, a.Close())
	require.ErrorIs(t, <-failed, ErrClosed)
	x.Release()
}

// One release makes room for all that fit into it, not only for the first in turn.
func TestMakeWaitSharesARelease(t *testing.T) {
	a := newRun(t).NewArena(&ArenaOptions{MaxBytes: 1 << 20})
	big, err := Make[byte](a, 1<<20)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	got := make(chan Array[byte], 2)
	for i := range 2 {
		go func() {
			x, err := MakeWait[byte](ctx, a, 1<<19)
			if err != nil {
				t.Error(err)
			}
			got <- x
		}()
		for waiting(a) < i+1 {
			time.Sleep(time.Millisecond)
		}
	}
	big.Release()
	x, y := <-got, <-got
	x.Release()
	y.Release()
}

func waiting(a *Arena) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.waiters.queue)
}

// Many goroutines make, write, check and release under a budget that is too
// small for all of them.
func TestArenaConcurrently(t *testing.T) {
	a := newRun(t).NewArena(&ArenaOptions{SegmentBytes: 128 << 10, MaxBytes: 512 << 10})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(1, uint64(g)))
			for i := range 200 {
				x, err := MakeWait[int32](t.Context(), a, 1+rnd.IntN(30<<10))
				if err != nil {
					t.Error(err)
					return
				}
				for j, v := range x.Data() {
					if v != 0 {
						t.Errorf("element %d is %d", j, v)
						break
					}
					x.Data()[j] = int32(g*1000 + i)
				}
				runtime.Gosched()
				for j, v := range x.Data() {
					if v != int32(g*1000+i) {
						t.Errorf("element %d is %d", j, v)
						break
					}
				}
				x.Release()
			}
		})
	}
	wg.Wait()
	require.Zero(t, a.Stats().Live)
	require.LessOrEqual(t, a.Stats().Mapped, int64(512<<10))
}

// grow of another makes the segments: what it refuses and what comes back.
func TestArenaOverOthersSegments(t *testing.T) {
	r := newRun(t)
	calls, refusal := 0, fmt.Errorf("no more of it: %w", ErrFull)
	a := NewArena(func(n int64) (*Segment, error) {
		if calls++; n > 1<<20 {
			return nil, refusal
		}
		return r.Create(n)
	}, nil)
	_, err := Make[byte](a, 2<<20)
	require.ErrorIs(t, err, refusal)
	x, err := Make[byte](a, 1<<20)
	require.NoError(t, err)
	x.Release()
	require.Equal(t, 2, calls)
	y, err := Make[byte](a, 1<<19) // the segment that is there serves
	require.NoError(t, err)
	require.Equal(t, 2, calls)
	y.Release()
	require.NoError(t, a.Close())
}

// Where the budget has no room for a larger array, segments that nobody uses go.
func TestArenaGivesIdleSegmentsBack(t *testing.T) {
	a := newRun(t).NewArena(&ArenaOptions{SegmentBytes: 64 << 10, MaxBytes: 1 << 20})
	var small []Array[byte]
	for range 16 {
		x, err := Make[byte](a, 64<<10)
		require.NoError(t, err)
		small = append(small, x)
	}
	for _, x := range small[1:] {
		x.Release()
	}
	_, err := Make[byte](a, 1<<20)
	require.ErrorIs(t, err, ErrFull, "one is still in use")
	x, err := Make[byte](a, 960<<10)
	require.NoError(t, err)
	require.Equal(t, 2, a.Stats().Segments)
	x.Release()
	small[0].Release()
}

func TestArenaNegativeOptions(t *testing.T) {
	for _, opts := range []ArenaOptions{{SegmentBytes: -1}, {MaxBytes: -1}} {
		a := NewArena(func(int64) (*Segment, error) { panic("not with these") }, &opts)
		_, err := Make[int64](a, 1)
		require.ErrorContains(t, err, "negative sizes")
		require.NoError(t, a.Close())
	}
}
