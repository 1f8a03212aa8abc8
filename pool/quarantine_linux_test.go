package pool

import (
	"math/bits"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool/internal/rangejob"
	"example.com/handoff/shm"
)

type poisonIn struct {
	Poison [3]int // that kill; −1: none
	Out    shm.Array[int32]
}

// tread adds one to each of its indices when it has done all of them, and dies of the poisoned ones.
func tread(in poisonIn, lo, hi int) {
	for _, p := range in.Poison {
		if lo <= p && p < hi {
			unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		}
	}
	for i := lo; i < hi; i++ {
		in.Out.Data()[i] = int32(i)
	}
}

var treadRange = RangeFunc("test.treadRange", func(_ *Task, in poisonIn, lo, hi int) error {
	tread(in, lo, hi)
	return nil
})

var treadSum = ReduceFunc("test.treadSum", func(_ *Task, in poisonIn, lo, hi int) (c counted, err error) {
	tread(in, lo, hi)
	for i := lo; i < hi; i++ {
		c.N++
		c.Sum += int64(i)
	}
	return c, nil
}, func(a, b counted) counted { return counted{N: a.N + b.N, Sum: a.Sum + b.Sum} })

// Indices that kill their workers are found, named and left out; all others are
// done, once each as far as results go, for about 2·log₂ n attempts more each.
func TestPoisonIsQuarantined(t *testing.T) {
	const n = 100_000
	for _, tt := range []struct {
		name   string
		poison [3]int
		want   []int
	}{
		{"none", [3]int{-1, -1, -1}, nil},
		{"first", [3]int{0, -1, -1}, []int{0}},
		{"one", [3]int{54_321, -1, -1}, []int{54_321}},
		{"last", [3]int{n - 1, -1, -1}, []int{n - 1}},
		{"three, two side by side", [3]int{77, 54_321, 54_322}, []int{77, 54_321, 54_322}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var told []Event
			events := make(chan Event, 100)
			p := newPool(t, &Options{Workers: 2, OnEvent: func(e Event) {
				if e.Kind == EventQuarantine {
					events <- e
				}
			}})
			out, err := shm.Make[int32](p.Outputs(), n)
			require.NoError(t, err)
			defer out.Release()
			for i := range out.Data() {
				out.Data()[i] = -1
			}
			c := rangejob.Cut(n, 0, 2)
			var report RangeReport
			sum, err := treadSum.Reduce(background(), p, poisonIn{tt.poison, out}, n, &RangeOptions{Quarantine: 5, Report: &report})
			require.Equal(t, c.Count, report.Blocks)
			require.Equal(t, len(tt.want) > 0, report.Split > 0, "%+v", report)
			want := counted{N: n, Sum: sumTo(n)}
			for _, i := range tt.want {
				want.N--
				want.Sum -= int64(i)
			}
			require.Equal(t, want, sum)
			s := p.Stats()
			require.LessOrEqual(t, s.Attempts-int64(c.Count), int64(len(tt.want)*(2*bits.Len(n)+2)))
			require.Equal(t, int64(len(tt.want)), s.Quarantined)
			if len(tt.want) == 0 {
				require.NoError(t, err)
				return
			}
			t.Logf("%d blocks, %d attempts, %v deaths", c.Count, s.Attempts, s.Deaths)
			var left *QuarantineError
			require.ErrorAs(t, err, &left)
			require.ErrorIs(t, err, ErrWorkerDied)
			for k, i := range tt.want {
				require.Equal(t, i, left.Indices[k].Index)
				require.Equal(t, []int{i, i + 1, 2}, []int{left.Indices[k].Death.Lo, left.Indices[k].Death.Hi, left.Indices[k].Death.Attempt})
				told = append(told, <-events)
			}
			for i, v := range out.Data() {
				if v == -1 {
					require.Contains(t, tt.want, i)
				} else {
					require.Equal(t, int32(i), v)
				}
			}
			require.Equal(t, "test.treadSum", told[0].Func)
			require.LessOrEqual(t, len(left.Error()), 1000)
		})
	}
}

// More of them than may be left out end the range, and without leave the first
// block does that has died too often.
func TestPoisonIsTooMuch(t *testing.T) {
	p := newPool(t, &Options{Workers: 2})
	out, err := shm.Make[int32](p.Outputs(), 1000)
	require.NoError(t, err)
	defer out.Release()
	in := poisonIn{[3]int{10, 500, 900}, out}
	err = treadRange.ForRange(background(), p, in, 1000, &RangeOptions{Quarantine: 2})
	require.ErrorContains(t, err, "are left out already, as many as RangeOptions.Quarantine allows")
	require.ErrorIs(t, err, ErrWorkerDied)
	var left *QuarantineError
	require.NotErrorAs(t, err, &left)
	err = treadRange.ForRange(background(), p, in, 1000, nil)
	var death *WorkerExitError
	require.ErrorAs(t, err, &death)
	require.Positive(t, death.Hi)
}

// Deaths that are nobody's fault leave nothing out where each index is tried again.
func TestInnocentsAreNotQuarantined(t *testing.T) {
	p := newPool(t, &Options{Workers: 3, Replacement: Replacement{KeepWidth: true}})
	in, out := rangeArrays(t, p, 100_000)
	in.How, in.Mark = "die once", t.TempDir()+"/mark"
	require.NoError(t, squares.ForRange(background(), p, in, 100_000, &RangeOptions{Quarantine: 1}))
	for i, v := range out.Data() {
		require.Equal(t, float64(i)*float64(i), v)
	}
	require.Zero(t, p.Stats().Quarantined)
}
