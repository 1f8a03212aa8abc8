package shm

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// The block that begins at a place or last before it is found as in a sorted list.
func TestStartsAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, 3*leafPlaces*64+5).Draw(t, "places") * blockAlign
		s := newStarts(size)
		var model []int64 // sorted
		place := func(name string) int64 { return rapid.Int64Range(0, size/blockAlign-1).Draw(t, name) * blockAlign }
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			off := place("off")
			if i, there := slices.BinarySearch(model, off); !there {
				s.set(off)
				model = slices.Insert(model, i, off)
			} else if rapid.Bool().Draw(t, "clear") {
				s.clear(off)
				model = slices.Delete(model, i, i+1)
			}
			at := place("at") + rapid.Int64Range(0, blockAlign-1).Draw(t, "byte")
			i, there := slices.BinarySearch(model, at)
			got, ok := s.before(at)
			if there {
				i++
			}
			require.Equal(t, i > 0, ok)
			if ok {
				require.Equal(t, model[i-1], got)
			}
		}
	})
}

// Find tells what is in an array of the arena, by name, and what is not.
func TestFind(t *testing.T) {
	r := newRun(t)
	a := r.NewArena(&ArenaOptions{SegmentBytes: pageBytes}) // each array that follows is in a segment of its own
	other := r.NewArena(nil)
	foreign, err := Make[byte](other, 100)
	require.NoError(t, err)
	var arrays []Array[byte]
	for range 20 {
		x, err := Make[byte](a, 3000)
		require.NoError(t, err)
		arrays = append(arrays, x)
	}
	for i, x := range arrays {
		for _, part := range [][]byte{x.Data(), x.Data()[:1], x.Data()[70:100], x.Data()[2999:]} {
			part[0] = byte(i + 1)
			v, ok := a.Find(part)
			require.True(t, ok)
			require.Same(t, &part[0], &v.Data()[0])
			require.Equal(t, len(part), v.Len())
			seg, err := Attach(v.Ref().Segment, 0, ReadOnly)
			require.NoError(t, err)
			same, err := Bind[byte](seg, v.Ref())
			require.NoError(t, err)
			require.Equal(t, part, same.Data())
			same.Release()
			require.NoError(t, seg.Close())
			known, err := Lookup[byte](a, v.Ref())
			require.NoError(t, err)
			known.Release()
		}
	}
	not := func(b []byte) {
		t.Helper()
		_, ok := a.Find(b)
		require.False(t, ok)
	}
	not(nil)
	not(arrays[0].Data()[:0])
	not(make([]byte, 10))
	not(foreign.Data())
	kept, freed := arrays[3].Data(), arrays[4].Data()
	pin, err := arrays[3].Pin()
	require.NoError(t, err)
	arrays[3].Release()
	not(kept) // there, and nobody's to name any more
	arrays[4].Release()
	not(freed)
	pin.Release()
	a.Reset()
	not(kept)
	foreign.Release()
}

// What is looked up, or reset after a task, costs no more beside a great many arrays.
func TestManyArraysInUse(t *testing.T) {
	least := func(f func()) (d time.Duration) { // the time that the machine can't make longer
		d = time.Hour
		for range 20 {
			began := time.Now()
			for range 10 {
				f()
			}
			d = min(d, time.Since(began))
		}
		return d
	}
	measure := func(live int) (find, lookup, reset time.Duration) {
		a := newRun(t).NewArena(&ArenaOptions{Scratch: true})
		var pins []Pin
		var last Array[byte]
		for range live {
			x, err := MakeUnzeroed[byte](a, 64)
			require.NoError(t, err)
			pin, err := x.Pin()
			require.NoError(t, err)
			pins, last = append(pins, pin), x
		}
		part := last.Data()[8:16]
		find = least(func() {
			_, ok := a.Find(part)
			require.True(t, ok)
		})
		v, _ := a.Find(part)
		lookup = least(func() {
			found, err := Lookup[byte](a, v.Ref())
			require.NoError(t, err)
			found.Release()
		})
		a.Reset()
		reset = least(func() {
			_, err := MakeUnzeroed[byte](a, 64)
			require.NoError(t, err)
			a.Reset()
		})
		for _, p := range pins {
			p.Release()
		}
		require.Zero(t, a.Stats().Live)
		return find, lookup, reset
	}
	f1, l1, r1 := measure(1)
	f2, l2, r2 := measure(20_000)
	const most = 100 // times; in proportion it would be 20,000
	require.Less(t, f2, most*f1, "Find")
	require.Less(t, l2, most*l1, "Lookup")
	require.Less(t, r2, most*r1, "Reset")
}

// An arena for scratch forgets what was released before its Reset.
func TestScratchForgets(t *testing.T) {
	a := newRun(t).NewArena(&ArenaOptions{Scratch: true})
	for range 10_000 {
		x, err := MakeUnzeroed[byte](a, 64)
		require.NoError(t, err)
		x.Release()
	}
	require.Less(t, len(a.made), 1000)
	x, err := MakeUnzeroed[byte](a, 64)
	require.NoError(t, err)
	a.Reset()
	require.Panics(t, func() { x.Data() })
	require.Zero(t, a.Stats().Live)
}
