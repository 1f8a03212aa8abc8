package shm

import (
	"fmt"
	"math/rand/v2"
	"testing"

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
	require.Equal(t, old.Generation+1, z.Ref().Generation)
	require.Zero(t, z.Data()[99], "a recycled block shows the last job's data")
	_, err = Lookup[float64](a, old)
	require.ErrorIs(t, err, ErrStale)
	z.Data()[0] = 3
	z.Release()
	u, err := MakeUnzeroed[float64](a, 100)
	require.NoError(t, err)
	require.Equal(t, 3.0, u.Data()[0])
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
	var zero View[float64]
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
	seg := a.segments[0]
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
	require.Panics(t, func() { x.View().Release() })
	require.Panics(t, func() { PutCopy(a, []uint8{1}, 2) })
}

func TestCast(t *testing.T) {
	a := newRun(t).NewArena(nil)
	x, err := Make[byte](a, 64)
	require.NoError(t, err)
	defer x.Release()
	x.Data()[16] = 7
	v, err := Cast[int64](x.View(), 8, 2, 3)
	require.NoError(t, err)
	require.Equal(t, int64(7), v.At(0, 1))
	require.Equal(t, x.Ref().Offset+8, v.Ref().Offset)
	got, err := Bind[int64](a.segments[0], v.Ref())
	require.NoError(t, err)
	defer got.Release()
	require.Equal(t, v.Data(), got.Data())
	for name, f := range map[string]func() error{
		"past the end": func() error { _, err := Cast[int64](x.View(), 8, 8); return err },
		"misaligned":   func() error { _, err := Cast[int64](x.View(), 4, 1); return err },
		"negative":     func() error { _, err := Cast[int64](x.View(), -8, 1); return err },
		"misaligned below": func() error {
			odd, err := Cast[byte](x.View(), 1, 32)
			require.NoError(t, err)
			_, err = Cast[int64](odd, 0, 1)
			return err
		},
		"not bools": func() error { _, err := Cast[bool](x.View(), 0, 64); return err },
	} {
		require.Error(t, f(), name)
	}
	none, err := Cast[int64](x.View(), 0, 0)
	require.NoError(t, err)
	require.Empty(t, none.Data())
}

// Random makes and releases against a model: no two live blocks overlap, every
// block keeps what was written to it, and the counters add up.
func TestArenaAgainstModel(t *testing.T) {
	a := newRun(t).NewArena(&ArenaOptions{SegmentBytes: 256 << 10, MaxBytes: 4 << 20})
	rnd := rand.New(rand.NewPCG(1, 2))
	live := map[int]Array[uint32]{}
	for i := range 5000 {
		if rnd.IntN(3) > 0 {
			x, err := Make[uint32](a, 1+rnd.IntN(20000))
			if err != nil {
				require.ErrorIs(t, err, ErrFull)
				continue
			}
			for j, old := range x.Data() {
				if old != 0 {
					t.Fatalf("step %d: element %d is %d, expected 0", i, j, old)
				}
				x.Data()[j] = uint32(i)
			}
			live[i] = x
			continue
		}
		for k, x := range live {
			for _, got := range x.Data() {
				if got != uint32(k) {
					t.Fatalf("step %d: block of step %d holds %d", i, k, got)
				}
			}
			x.Release()
			delete(live, k)
			break
		}
	}
	bytes := int64(0)
	for _, x := range live {
		bytes += roundUp(int64(x.Len()*4), blockAlign)
		defer x.Release()
	}
	require.Equal(t, bytes, a.Stats().Live)
}

func BenchmarkArena(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		b.Run(fmt.Sprintf("op=make-release/size=%dKiB", size>>10), func(b *testing.B) {
			a := newRun(b).NewArena(nil)
			b.ReportAllocs()
			for b.Loop() {
				x, err := MakeUnzeroed[byte](a, size)
				if err != nil {
					b.Fatal(err)
				}
				x.Release()
			}
		})
		b.Run(fmt.Sprintf("op=segment/size=%dKiB", size>>10), func(b *testing.B) {
			r := newRun(b)
			b.ReportAllocs()
			for b.Loop() {
				s, err := r.Create(int64(size))
				if err != nil {
					b.Fatal(err)
				}
				s.Close()
			}
		})
	}
}
