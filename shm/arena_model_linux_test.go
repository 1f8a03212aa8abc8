package shm

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// arenaModel drives one arena with random calls and knows what must be true of it.
type arenaModel struct {
	a      *Arena
	live   []modelArray
	pinned []modelPin
	stale  []Ref
	seen   map[Ref]bool // every Ref ever given out, without its dtype and shape
	stamp  uint32
}

type modelArray struct {
	arr   Array[uint32]
	stamp uint32
}

type modelPin struct {
	pin   interface{ Release() }
	data  []uint32 // dead by contract, but the pin keeps it
	stamp uint32
}

func block(r Ref) Ref { return Ref{Segment: r.Segment, Offset: r.Offset, Generation: r.Generation} }

func (m *arenaModel) size(t *rapid.T) int {
	return rapid.OneOf(rapid.IntRange(1, 100), rapid.IntRange(1, 40000), rapid.IntRange(100000, 300000)).Draw(t, "elements")
}

func (m *arenaModel) Make(t *rapid.T) {
	n := m.size(t)
	unzeroed := rapid.Bool().Draw(t, "unzeroed")
	var x Array[uint32]
	var err error
	if unzeroed {
		x, err = MakeUnzeroed[uint32](m.a, n)
	} else {
		x, err = Make[uint32](m.a, n)
	}
	if err != nil {
		require.ErrorIs(t, err, ErrFull)
		return
	}
	m.took(t, x, !unzeroed)
}

// MakeWait with a context that has ended behaves as Make does.
func (m *arenaModel) MakeWait(t *rapid.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	x, err := MakeWait[uint32](ctx, m.a, m.size(t))
	if err != nil {
		require.ErrorIs(t, err, ErrFull)
		return
	}
	m.took(t, x, true)
}

func (m *arenaModel) took(t *rapid.T, x Array[uint32], zeroed bool) {
	ref := x.Ref()
	require.False(t, m.seen[block(ref)], "%v was given out before", ref)
	m.seen[block(ref)] = true
	require.Zero(t, ref.Offset%blockAlign)
	if zeroed {
		require.Equal(t, -1, slices.IndexFunc(x.Data(), func(v uint32) bool { return v != 0 }), "not zeroed")
	}
	m.stamp++
	for i := range x.Data() {
		x.Data()[i] = m.stamp
	}
	m.live = append(m.live, modelArray{x, m.stamp})
}

func (m *arenaModel) pick(t *rapid.T, n int) int {
	if n == 0 {
		t.Skip("nothing there")
	}
	return rapid.IntRange(0, n-1).Draw(t, "which")
}

func (m *arenaModel) Release(t *rapid.T) {
	i := m.pick(t, len(m.live))
	x := m.live[i].arr
	x.Release()
	m.stale = append(m.stale, x.Ref())
	require.Panics(t, func() { x.Data() })
	require.Panics(t, func() { x.Release() })
	_, err := x.Pin()
	require.ErrorIs(t, err, ErrReleased)
	m.live = slices.Delete(m.live, i, i+1)
}

// PinAndRelease keeps an array's bytes past its release.
func (m *arenaModel) PinAndRelease(t *rapid.T) {
	i := m.pick(t, len(m.live))
	x := m.live[i]
	pin, err := x.arr.Pin()
	require.NoError(t, err)
	m.pinned = append(m.pinned, modelPin{pin, x.arr.Data(), x.stamp})
	x.arr.Release()
	m.stale = append(m.stale, x.arr.Ref())
	m.live = slices.Delete(m.live, i, i+1)
}

// OwnAndRelease does so by a view of its own of a part.
func (m *arenaModel) OwnAndRelease(t *rapid.T) {
	i := m.pick(t, len(m.live))
	x := m.live[i]
	lo := rapid.IntRange(0, x.arr.Len()-1).Draw(t, "lo")
	v := x.arr.Rows(lo, x.arr.Len()).Own()
	m.pinned = append(m.pinned, modelPin{v, v.Data(), x.stamp})
	x.arr.Release()
	m.stale = append(m.stale, x.arr.Ref())
	m.live = slices.Delete(m.live, i, i+1)
}

func (m *arenaModel) Unpin(t *rapid.T) {
	i := m.pick(t, len(m.pinned))
	m.pinned[i].pin.Release()
	m.pinned = slices.Delete(m.pinned, i, i+1)
}

func (m *arenaModel) Lookup(t *rapid.T) {
	x := m.live[m.pick(t, len(m.live))]
	lo := rapid.IntRange(0, x.arr.Len()-1).Draw(t, "lo")
	v, err := Lookup[uint32](m.a, x.arr.Rows(lo, x.arr.Len()).Ref())
	require.NoError(t, err)
	require.Equal(t, x.stamp, v.Data()[0])
	v.Release()
}

func (m *arenaModel) Stale(t *rapid.T) {
	ref := m.stale[m.pick(t, len(m.stale))]
	_, err := Lookup[uint32](m.a, ref)
	var refused *RefError // its segment may be gone by now
	require.True(t, errors.Is(err, ErrStale) || errors.As(err, &refused), "%v", err)
}

func (m *arenaModel) Reset(t *rapid.T) {
	if rapid.IntRange(0, 9).Draw(t, "rarely") > 0 {
		t.Skip("rarely")
	}
	m.a.Reset()
	for _, x := range m.live {
		require.Panics(t, func() { x.arr.Data() })
		m.stale = append(m.stale, x.arr.Ref())
	}
	m.live = nil
}

// Check is what must hold after every step.
func (m *arenaModel) Check(t *rapid.T) {
	holds := func(data []uint32, stamp uint32) {
		for i, v := range data {
			if v != stamp {
				t.Fatalf("element %d of array %d is %d: another array lies over it", i, stamp, v)
			}
		}
	}
	for _, x := range m.live {
		holds(x.arr.Data(), x.stamp)
	}
	for _, p := range m.pinned {
		holds(p.data, p.stamp)
	}
	s := m.a.Stats()
	require.LessOrEqual(t, s.Mapped, m.a.opts.MaxBytes)
	require.GreaterOrEqual(t, s.HighWater, s.Live)
	require.Equal(t, len(m.live)+len(m.pinned), len(m.a.live))

	// Blocks in use and free ones tile every segment: none lost, none twice.
	all := slices.Clone(m.a.space.extents)
	for class, bin := range m.a.space.bins {
		for _, e := range bin {
			require.Equal(t, class, e.size)
		}
		all = append(all, bin...)
	}
	used := int64(0)
	for id, b := range m.a.live {
		all = append(all, extent{id.slab, id.off, b.hold.size()})
		used += b.hold.size()
		for _, off := range []int64{id.off, id.off + b.hold.size() - 1} {
			if !m.a.indexed {
				break
			}
			start, ok := id.slab.starts.before(off)
			require.True(t, ok)
			require.Equal(t, id.off, start)
		}
	}
	require.Equal(t, used, s.Live)
	for _, sl := range m.a.slabs {
		mine := slices.DeleteFunc(slices.Clone(all), func(e extent) bool { return e.slab != sl })
		slices.SortFunc(mine, func(a, b extent) int { return int(a.off - b.off) })
		at := int64(0)
		for _, e := range mine {
			require.Equal(t, at, e.off)
			at += e.size
		}
		require.Equal(t, sl.seg.Size(), at)
	}
}

func TestArenaAgainstModel(t *testing.T) {
	r := newRun(t)
	rapid.Check(t, func(t *rapid.T) {
		a := r.NewArena(&ArenaOptions{
			Scratch:      rapid.Bool().Draw(t, "scratch"),
			SegmentBytes: int64(rapid.SampledFrom([]int{64 << 10, 1 << 20}).Draw(t, "segment")),
			MaxBytes:     int64(rapid.SampledFrom([]int{300 << 10, 3 << 20}).Draw(t, "budget")),
		})
		m := &arenaModel{a: a, seen: map[Ref]bool{}}
		t.Repeat(map[string]func(*rapid.T){
			"Make": m.Make, "MakeWait": m.MakeWait, "Release": m.Release, "PinAndRelease": m.PinAndRelease,
			"Unpin": m.Unpin, "Lookup": m.Lookup, "Stale": m.Stale, "Reset": m.Reset, "": m.Check,
		})
		a.Reset()
		for _, p := range m.pinned {
			p.pin.Release()
		}
		require.Zero(t, a.Stats().Live)
		require.Equal(t, a.Stats().Mapped, a.Stats().Free)
		// All is free: the whole budget can be had in one piece, whatever came before.
		x, err := Make[byte](a, int(a.opts.MaxBytes))
		require.NoError(t, err)
		x.Release()
		require.NoError(t, a.Close())
	})
}

func TestSizeClass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 1<<40).Draw(t, "size")
		c := sizeClass(n)
		require.GreaterOrEqual(t, c, n)
		require.Zero(t, c%blockAlign)
		require.Equal(t, c, sizeClass(c))
		require.LessOrEqual(t, float64(c-n), math.Max(float64(n)/4, blockAlign))
	})
}
