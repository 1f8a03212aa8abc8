package life

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWidth(t *testing.T) {
	w := NewWidth(8)
	quiet := func(n int) {
		for range n {
			w.Quiet()
		}
	}
	require.True(t, w.MemoryDeath())
	require.Equal(t, []int{4, 8, 7}, []int{w.Now(), w.Target(), w.Ceiling()})
	quiet(3)
	require.Equal(t, 7, w.Now(), "it climbs to the ceiling")
	quiet(tryAgain - 4)
	require.Equal(t, 7, w.Now(), "and stays there")
	quiet(1)
	require.Equal(t, 8, w.Now(), "until the ceiling is tried again")
	changed, again := w.Quiet()
	require.False(t, changed || again, "as many as are asked for")

	for _, want := range []int{4, 2, 1} {
		require.True(t, w.MemoryDeath())
		require.Equal(t, want, w.Now())
	}
	require.False(t, w.MemoryDeath(), "the last one stays")
	require.Equal(t, 1, w.Now())
	require.True(t, w.Resize(3))
	require.Equal(t, []int{3, 3, 0}, []int{w.Now(), w.Target(), w.Ceiling()})
	require.False(t, w.Resize(3))
}

// A death on the way up begins the count of quiet periods anew.
func TestWidthForgetsQuietPeriods(t *testing.T) {
	w := NewWidth(2)
	w.MemoryDeath()
	for range tryAgain - 1 {
		w.Quiet()
	}
	w.MemoryDeath()
	for range tryAgain - 1 {
		changed, again := w.Quiet()
		require.False(t, changed)
		require.True(t, again)
	}
	changed, _ := w.Quiet()
	require.True(t, changed)
}

func TestRestarts(t *testing.T) {
	var r Restarts
	now := time.Unix(1000, 0)
	require.Zero(t, r.Wait(0, now))
	require.Zero(t, r.Wait(1, now), "a first short life is held against nobody")
	for i := range 4 { // of all slots together, not more than one in pace
		wait := r.Wait(2, now)
		require.GreaterOrEqual(t, wait, time.Duration(i)*pace)
		require.Less(t, wait, time.Duration(i)*pace+unit)
	}
	now = now.Add(time.Hour)
	require.Less(t, r.Wait(2, now), unit)
	for range 100 {
		require.Less(t, Backoff(1000), most)
	}
	for range MaxFailedStarts - 1 {
		r.Failed()
	}
	require.False(t, r.Exhausted())
	r.Started()
	for range MaxFailedStarts {
		require.False(t, r.Exhausted())
		r.Failed()
	}
	require.True(t, r.Exhausted())
}

func TestWatch(t *testing.T) {
	limits := Limits{Task: 40, Cancel: 20, Stop: 30, Close: 50}
	running := Seen{Position: 1, Begun: true, Running: true}
	with := func(s Seen, f func(*Seen)) Seen { f(&s); return s }
	for _, row := range []struct {
		name string
		seen Seen
		want Overrun
		at   int // the look at which it is overrun; looks are 10 apart
	}{
		{"idle", Seen{}, InTime, 0},
		{"a task", running, RanTooLong, 5},
		{"asleep under it", with(running, func(s *Seen) { s.Asleep = true }), SleptThrough, 4},
		{"not begun", Seen{Position: 1}, NotBegun, 4},
		{"cancelled", with(running, func(s *Seen) { s.Cancelled = true }), NotCancelled, 3},
		{"to end", Seen{Retiring: true}, NotEnded, 6},
		{"to end, under a task", with(running, func(s *Seen) { s.Retiring = true }), RanTooLong, 5},
	} {
		t.Run(row.name, func(t *testing.T) {
			var w Watch
			for look := 1; look <= 10; look++ {
				got := w.Look(row.seen, 10, limits)
				if look < row.at || row.at == 0 {
					require.Equal(t, InTime, got, "look %d", look)
				} else {
					require.Equal(t, row.want, got, "look %d", look)
					return
				}
			}
		})
	}
	t.Run("each task, and each block, has its own time", func(t *testing.T) {
		var w Watch
		for i := range 100 {
			s := running
			s.Position, s.Claim = uint64(1+i/6), uint64(1+i/3)
			require.Equal(t, InTime, w.Look(s, 10, limits))
		}
	})
	t.Run("stopped", func(t *testing.T) {
		var w Watch
		w.Look(Seen{Position: 1}, 10, limits)
		require.False(t, w.Sampled(true, 10, 25))
		for range 10 { // it is not for leaving the task lying
			require.Equal(t, InTime, w.Look(Seen{Position: 1}, 10, limits))
		}
		require.False(t, w.Sampled(true, 10, 25))
		require.False(t, w.Sampled(true, 10, 25))
		require.False(t, w.Sampled(false, 10, 25), "it went on")
		require.False(t, w.Sampled(true, 10, 25))
		require.False(t, w.Sampled(true, 10, 25))
		require.False(t, w.Sampled(true, 10, 25))
		require.True(t, w.Sampled(true, 10, 25))
	})
	t.Run("samples", func(t *testing.T) {
		var w Watch
		require.False(t, w.SampleDue(100, 10), "it is idle")
		w.Look(running, 10, limits)
		require.True(t, w.SampleDue(5, 10))
		require.False(t, w.SampleDue(5, 10))
		require.True(t, w.SampleDue(5, 10))
	})
}
