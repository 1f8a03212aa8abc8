package cost

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCurve(t *testing.T) {
	c := Curve{{64, 1000}, {1 << 20, 100_000}, {16 << 20, 2_000_000}, {64 << 20, 20_000_000}}
	for _, tt := range []struct {
		name  string
		curve Curve
		bytes int64
		want  float64 // 0: no price
	}{
		{"none", nil, 1, 0},
		{"flat", Flat(300), 1 << 40, 300},
		{"no bytes", c, 0, 1000},
		{"the first", c, 64, 1000},
		{"between", c, (64 + 1<<20) / 2, 50_500},
		{"a measured one", c, 16 << 20, 2_000_000},
		{"where a cache ends", c, 40 << 20, 11_000_000},
		{"beyond", c, 112 << 20, 38_000_000},
		{"negative size", c, -1, 0},
		{"more than a time can be", Curve{{1, 1}, {2, 1e9}}, math.MaxInt64, 0},
		{"noise", Curve{{1, 5}, {3, 4}, {5, 9}}, 3, 5},
		{"noise at the end", Curve{{1, 5}, {3, 4}}, 100, 5},
		{"zero", Curve{{1, 0}}, 1, 0},
		{"negative", Curve{{1, 5}, {2, -1}}, 1, 0},
		{"not a number", Curve{{1, math.NaN()}}, 1, 0},
		{"infinite", Curve{{1, math.Inf(1)}}, 1, 0},
		{"twice the same size", Curve{{1, 5}, {1, 6}}, 1, 0},
		{"descending", Curve{{2, 5}, {1, 6}}, 1, 0},
		{"negative first size", Curve{{-1, 5}}, 1, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := tt.curve.NS(tt.bytes)
			require.Equal(t, tt.want != 0, ok)
			if ok {
				require.InDelta(t, tt.want, got, 1e-6*tt.want)
			}
		})
	}
}

// someCosts are about those of a small machine: the copy is dearer by the byte where the caches end.
func someCosts() *Costs {
	return &Costs{
		Goroutine: Flat(300), Split: Flat(500), Ref: Flat(900), WakeNS: 45_000,
		Copy:  Curve{{64, 1000}, {1 << 20, 100_000}, {16 << 20, 2_000_000}, {64 << 20, 20_000_000}},
		Value: Curve{{64, 800}, {1 << 20, 200_000}, {16 << 20, 5_000_000}, {64 << 20, 45_000_000}},
		Pipe:  Curve{{64, 7000}, {1 << 20, 4_000_000}, {64 << 20, 400_000_000}},
		Gob:   Curve{{64, 3000}, {1 << 20, 3_000_000}, {64 << 20, 250_000_000}},
	}
}

// Whatever was measured, a larger payload is never cheaper, and by reference is never dearer
// than the copy.
func TestPricesAreMonotone(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	curve := func() (c Curve) {
		for bytes := int64(64); bytes < 1<<27; bytes *= 1 + random.Int64N(64) + 1 {
			c = append(c, At{bytes, math.Exp(20 * random.Float64())})
		}
		return c
	}
	for range 200 {
		c := &Costs{Goroutine: curve(), Ref: curve(), Copy: curve(), Value: curve(), Pipe: curve(), Gob: curve()}
		if random.IntN(2) == 0 {
			c.Shared = curve()
		}
		last := map[Way]float64{}
		for bytes := int64(1); bytes < 1<<32; bytes = bytes*3/2 + 1 {
			ref, ok := c.NS(InPlace, Task{RefBytes: bytes})
			require.True(t, ok)
			copied, ok := c.Copy.NS(bytes)
			require.True(t, ok)
			require.LessOrEqual(t, ref, copied)
			for _, w := range []Way{Goroutine, InPlace, ByValue, Gob} {
				ns, ok := c.NS(w, Task{RefBytes: bytes})
				require.True(t, ok)
				require.GreaterOrEqual(t, ns, last[w], "%s of %d bytes", w, bytes)
				last[w] = ns
			}
		}
	}
}

func TestCostsNS(t *testing.T) {
	const mib = 1 << 20
	c := someCosts()
	for _, tt := range []struct {
		name string
		way  Way
		task Task
		want float64
	}{
		{"goroutine", Goroutine, Task{ValueBytes: 64 * mib}, 300},
		{"in place", InPlace, Task{RefBytes: 64 * mib}, 900},
		{"in place, with arguments", InPlace, Task{RefBytes: 64 * mib, ValueBytes: 64}, 1000},
		{"in place, all of it", InPlace, Task{RefBytes: 64 * mib, ValueBytes: mib, InPlace: true}, 900},
		{"shared, for one task", Shared, Task{ValueBytes: mib}, 100_000},
		{"shared, for ten tasks", Shared, Task{ValueBytes: mib, TasksPerValue: 10}, 900 + 9910},
		{"by value", ByValue, Task{ValueBytes: 64 * mib}, 45_000_000},
		{"gob", Gob, Task{ValueBytes: mib}, 4_000_000},
		{"gob of a type that was measured", Gob, Task{ValueBytes: mib, Gob: 9_000_000}, 10_000_000},
		{"gob of a fast type", Gob, Task{ValueBytes: mib, Gob: 1000}, 1_001_000},
	} {
		ns, ok := c.NS(tt.way, tt.task)
		require.True(t, ok, tt.name)
		require.InDelta(t, tt.want, ns, 1e-6, tt.name)
	}
	for _, w := range ways {
		_, ok := (&Costs{}).NS(w, Task{ValueBytes: 8, RefBytes: 8})
		require.False(t, ok, w)
	}
}

func TestFromPoints(t *testing.T) {
	c := FromPoints([]Point{{"value", 1024, 20}, {"value", 64, 10}, {"value", 64, 11}, {"pipe-raw", 64, 1}, {"shared", 64, 7},
		{"goroutine", 64, 2}, {"gob-reused", 64, 90}, {"shm-copy", 64, 8}, {"shm-resident", 64, 6}})
	require.Equal(t, Costs{Value: Curve{{64, 10}, {1024, 20}}, Shared: Curve{{64, 7}}, Goroutine: Curve{{64, 2}},
		Pipe: Curve{{64, 90}}, Copy: Curve{{64, 8}}, Ref: Curve{{64, 6}}}, c)

	// A type of its own has neither View nor copy.
	c = FromPoints([]Point{{"value", 64, 100}, {"shared", 64, 30}})
	ns, ok := c.NS(Shared, Task{ValueBytes: 64, TasksPerValue: 7})
	require.True(t, ok)
	require.InDelta(t, 30+10, ns, 1e-9)
}
