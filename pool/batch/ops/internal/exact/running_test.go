package exact

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// requireRunning moves a window over values and compares its mean with rationals.
func requireRunning[T Number](t *testing.T, values []T, window int, rat func(T) *big.Rat) {
	t.Helper()
	var r Running
	sum := new(big.Rat)
	for i, v := range values {
		Enter(&r, v)
		sum.Add(sum, rat(v))
		if i >= window {
			Leave(&r, values[i-window])
			sum.Sub(sum, rat(values[i-window]))
		}
		n := min(i+1, window)
		want, _ := new(big.Rat).Quo(sum, new(big.Rat).SetInt64(int64(n))).Float64()
		if sum.Sign() < 0 {
			want = math.Copysign(want, -1)
		}
		got, ok := r.Mean()
		if !ok || math.Float64bits(got) != math.Float64bits(want) && !(sum.Sign() == 0 && got == 0) {
			t.Fatalf("mean of the %d values up to %v, row %d: %v, want %v", n, v, i, got, want)
		}
	}
}

func TestRunning(t *testing.T) {
	for name := range generators {
		for _, window := range []int{1, 2, 3, 7, 40} {
			requireRunning(t, generate(name, uint64(window), 100), window, ratOf)
		}
	}
	r := rand.New(rand.NewPCG(3, 9))
	for _, window := range []int{1, 2, 3, 50} {
		ints, uints, small := make([]int64, 120), make([]uint64, 120), make([]int8, 120)
		for i := range ints {
			ints[i], uints[i] = int64(r.Uint64())>>r.IntN(64), r.Uint64()>>r.IntN(64)
			small[i] = int8(ints[i])
		}
		ints[7], ints[8], uints[9], uints[10] = math.MinInt64, math.MaxInt64, math.MaxUint64, math.MaxUint64
		requireRunning(t, ints, window, ratInt)
		requireRunning(t, uints, window, ratUint)
		requireRunning(t, small, window, func(v int8) *big.Rat { return ratInt(int64(v)) })
	}
}

// Ties go to the even float, and what lies beyond 128 bits of the sum decides them.
func TestRunningTies(t *testing.T) {
	const least = math.SmallestNonzeroFloat64
	for _, values := range [][]float64{
		{least, 0}, {3 * least, 0}, {-least, 0}, {least, 0, 0}, {-least, 0, 0},
		{0x1p53, 1}, {0x1p53 + 2, 1}, {0x1p54, 2, least}, {0x1p54, 2, -least}, {-0x1p54, -2, least},
		{math.MaxFloat64, math.MaxFloat64, math.MaxFloat64},
		{math.MaxFloat64, -least}, {0x1p1000, 0x1p947, least}, {0x1p-1022, -least},
	} {
		requireRunning(t, values, len(values), ratOf)
	}
}

func TestRunningSpecials(t *testing.T) {
	nan, inf, negZero := math.NaN(), math.Inf(1), math.Copysign(0, -1)
	for _, c := range []struct {
		in, out []float64
		want    float64
	}{
		{[]float64{1, nan}, nil, nan},
		{[]float64{1, nan}, []float64{nan}, 1},
		{[]float64{1, inf}, nil, inf},
		{[]float64{inf, -inf}, nil, nan},
		{[]float64{inf, -inf}, []float64{inf}, -inf},
		{[]float64{inf, -inf, 3}, []float64{inf, -inf}, 3},
		{[]float64{negZero, negZero}, nil, negZero},
		{[]float64{negZero, 0}, nil, 0},
		{[]float64{negZero, 0}, []float64{0}, negZero},
		{[]float64{1, -1}, nil, 0},
		{[]float64{1e300, 1, -1e300}, []float64{1e300, -1e300}, 1},
	} {
		var r Running
		for _, v := range c.in {
			Enter(&r, v)
		}
		for _, v := range c.out {
			Leave(&r, v)
		}
		got, ok := r.Mean()
		if !ok || math.Float64bits(got) != math.Float64bits(c.want) && !(math.IsNaN(got) && math.IsNaN(c.want)) {
			t.Errorf("%v less %v: mean %v, %v, want %v", c.in, c.out, got, ok, c.want)
		}
	}
	var none Running
	if _, ok := none.Mean(); ok {
		t.Error("nothing has a mean")
	}
}

func BenchmarkRunning(b *testing.B) {
	for name, next := range map[string]func() float64{
		"positive": rand.Float64, "normal": rand.NormFloat64,
		"any": func() float64 { return math.Float64frombits(rand.Uint64() &^ (1 << 62)) },
	} {
		values := make([]float64, 4096)
		for i := range values {
			values[i] = next()
		}
		b.Run("values="+name, func(b *testing.B) {
			var r Running
			for i := range 24 {
				Enter(&r, values[i])
			}
			for i := 24; b.Loop(); i++ {
				Enter(&r, values[i%4096])
				Leave(&r, values[(i-24)%4096])
				r.Mean()
			}
		})
	}
}

func TestKey(t *testing.T) {
	negZero := math.Copysign(0, -1)
	requireKeys(t, math.Inf(-1), -math.MaxFloat64, -1, -math.SmallestNonzeroFloat64, negZero, 0, math.SmallestNonzeroFloat64, 1, math.MaxFloat64, math.Inf(1))
	requireKeys[float32](t, -1, float32(negZero), 0, 0.1)
	requireKeys[int64](t, math.MinInt64, -1, 0, 1, math.MaxInt64)
	requireKeys[int8](t, -128, -1, 0, 1, 127)
	requireKeys[uint64](t, 0, 1, math.MaxInt64, math.MaxUint64)
}

func requireKeys[T Number](t *testing.T, ascending ...T) {
	t.Helper()
	for i, v := range ascending {
		if back := FromKey[T](Key(v)); back != v || math.Signbit(float64(back)) != math.Signbit(float64(v)) {
			t.Errorf("%v becomes %v", v, back)
		}
		if i > 0 && Key(v) <= Key(ascending[i-1]) {
			t.Errorf("the key of %v is not above that of %v", v, ascending[i-1])
		}
	}
}
