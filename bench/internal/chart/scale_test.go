package chart

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestTicks(t *testing.T) {
	for _, tt := range []struct {
		unit   Unit
		values []float64
		most   int
		want   string
	}{
		{Bytes, []float64{64, 64 << 20}, 12, "[64 B 256 B 1 KiB 4 KiB 16 KiB 64 KiB 256 KiB 1 MiB 4 MiB 16 MiB 64 MiB]"},
		{Bytes, []float64{64, 64 << 20}, 5, "[256 B 4 KiB 64 KiB 1 MiB 16 MiB]"},
		{Bytes, []float64{4096}, 5, "[2 KiB 4 KiB 8 KiB]"},
		{Bytes, []float64{1 << 30, 1 << 33}, 5, "[1 GiB 2 GiB 4 GiB 8 GiB]"},
		{Nanoseconds, []float64{300, 2e9}, 8, "[1 µs 10 µs 100 µs 1 ms 10 ms 100 ms 1 s]"},
		{Nanoseconds, []float64{300, 2e9}, 4, "[10 µs 1 ms 100 ms]"},
		{Nanoseconds, []float64{1000, 9000}, 8, "[1 µs 2 µs 5 µs]"},
		{Nanoseconds, []float64{0.01, 0.04}, 8, "[0.01 ns 0.02 ns 0.05 ns]"},
	} {
		var got []string
		for _, v := range newScale(tt.values, 0.01).ticks(tt.unit, tt.most) {
			got = append(got, tt.unit.format(v))
		}
		require.Equal(t, tt.want, fmt.Sprint(got), "%+v", tt)
	}
}

// Any range has a bearable number of ticks, all of them on the scale.
func TestTicksRange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Float64Range(1e-300, 1e300).Draw(t, "a"), rapid.Float64Range(1e-3, 1e12).Draw(t, "b")
		s, most := newScale([]float64{a, b}, 0.02), rapid.IntRange(0, 20).Draw(t, "most")
		for _, u := range []Unit{Bytes, Nanoseconds} {
			ticks := s.ticks(u, most)
			require.LessOrEqual(t, len(ticks), max(2, most))
			for _, v := range ticks {
				require.True(t, positive(v))
				require.InDelta(t, math.Log2(v), s.low+s.at(v)*(s.high-s.low), 1e-6)
			}
		}
	})
}

func TestSpread(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		places := rapid.SliceOfN(rapid.Float64Range(0, 100), 0, 10).Draw(t, "places")
		sorted := make([]float64, len(places))
		copy(sorted, places)
		for i := range sorted {
			for k := range i {
				if sorted[k] > sorted[i] {
					sorted[k], sorted[i] = sorted[i], sorted[k]
				}
			}
		}
		apart := spread(sorted, 10, 0, 100)
		require.Len(t, apart, len(sorted))
		for i := range apart {
			require.GreaterOrEqual(t, apart[i], -1e-9)
			require.LessOrEqual(t, apart[i], 100+1e-9)
			if i > 0 {
				require.GreaterOrEqual(t, apart[i]-apart[i-1], 10-1e-9)
			}
		}
	})
	require.Equal(t, []float64{1, 50, 99}, spread([]float64{1, 50, 99}, 10, 0, 100), "what is apart stays")
	require.Equal(t, []float64{45, 55}, spread([]float64{50, 50}, 10, 0, 100))
	require.Equal(t, []float64{0, 10}, spread([]float64{1, 1}, 10, 0, 100))
}
