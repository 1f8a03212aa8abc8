package exact

import (
	"math"
	"math/big"
	"testing"
)

func TestMoments(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	const least, largest = math.SmallestNonzeroFloat64, math.MaxFloat64
	negZero := math.Copysign(0, -1)
	none := math.Float64frombits(0x7ff8dead00000000) // stands for false
	for _, c := range []struct {
		name      string
		values    []float64
		mean, std float64
	}{
		{"empty", nil, none, none},
		{"one", []float64{7}, 7, none},
		{"one NaN", []float64{nan}, nan, none},
		{"one Inf", []float64{inf}, inf, none},
		{"two", []float64{1, 3}, 2, math.Sqrt2},
		{"NaN", []float64{1, nan, 2}, nan, nan},
		{"NaN and Inf", []float64{inf, nan}, nan, nan},
		{"Inf", []float64{1, inf, inf}, inf, nan},
		{"-Inf", []float64{1, -inf}, -inf, nan},
		{"both Inf", []float64{inf, 1, -inf}, nan, nan},
		{"mean does not overflow", []float64{1e308, 1e308}, 1e308, 0},
		{"std does not overflow", []float64{0, 1e308}, 5e307, 1e308 / math.Sqrt2},
		{"std overflows", []float64{largest, -largest}, 0, inf},
		{"largest", []float64{largest, largest, largest}, largest, 0},
		{"zeros", []float64{negZero, negZero}, 0, 0},
		{"least", []float64{least, least}, least, 0},
		{"tie to even, down", []float64{least, 0}, 0, least},
		{"tie to even, up", []float64{3 * least, 0}, 2 * least, 2 * least},
		{"negative underflow", []float64{-least, 0, 0}, negZero, least},
		{"cancellation", []float64{1e300, 1, -1e300, -1}, 0, 1e300 * math.Sqrt(2.0/3)},
		{"std of equals is zero", []float64{0.1, 0.1, 0.1}, 0.1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s Sums
			if err := AddSums(&s, c.values, nil, 0); err != nil {
				t.Fatal(err)
			}
			if err := s.Check(); err != nil {
				t.Error(err)
			}
			compare := func(what string, got float64, ok bool, want float64) {
				t.Helper()
				switch {
				case !ok || math.Float64bits(want) == math.Float64bits(none):
					if ok != (math.Float64bits(want) != math.Float64bits(none)) {
						t.Errorf("%s = %v, %v", what, got, ok)
					}
				case math.IsNaN(want):
					if !math.IsNaN(got) {
						t.Errorf("%s = %v, want NaN", what, got)
					}
				case math.Float64bits(got) != math.Float64bits(want):
					t.Errorf("%s = %v, want %v", what, got, want)
				}
			}
			mean, ok := s.Mean()
			compare("Mean", mean, ok, c.mean)
			std, ok := s.Std()
			compare("Std", std, ok, c.std)
		})
	}
}

// A long column of 0.1 has the mean 0.1, which a float sum misses.
func TestMeanOfTenths(t *testing.T) {
	values := make([]float64, 100_000)
	for i := range values {
		values[i] = 0.1
	}
	var s Sums
	if err := AddSums(&s, values, nil, 0); err != nil {
		t.Fatal(err)
	}
	if mean, _ := s.Mean(); mean != 0.1 {
		t.Errorf("Mean = %v", mean)
	}
	if std, _ := s.Std(); std != 0 {
		t.Errorf("Std = %v", std)
	}
}

// The result agrees with an 8192-bit square root, to the last bit.
func TestStdHighPrecision(t *testing.T) {
	for name := range generators {
		for seed := range uint64(50) {
			values := generate(name, seed, 2+int(seed))
			var s Sums
			if err := AddSums(&s, values, nil, 0); err != nil {
				t.Fatal(err)
			}
			got, _ := s.Std()
			want, _ := bigRoot(refFloats(values).variance()).Float64()
			if got != want {
				t.Errorf("%s, seed %d: Std = %v, want %v", name, seed, got, want)
			}
		}
	}
}

// A result just above the point halfway between two floats rounds up, however
// little it is above; on the point it goes to the even one, which is below.
func TestNearTies(t *testing.T) {
	const unit = math.SmallestNonzeroFloat64
	const below, above = 0x1p53 * unit, (0x1p53 + 2) * unit // tie is 2^53 + 1 units

	values := make([]float64, 1<<20)
	values[0], values[1] = 0x1p73*unit, 0x1p20*unit
	for _, c := range []struct {
		name  string
		extra float64
		want  float64
	}{{"tie", 0, below}, {"tie and 2^-20 units", unit, above}} {
		t.Run("mean/"+c.name, func(t *testing.T) {
			values[2] = c.extra
			var s Sums
			if err := AddSums(&s, values, nil, 0); err != nil {
				t.Fatal(err)
			}
			if got, _ := s.Mean(); got != c.want {
				t.Errorf("Mean = %v units, want %v", got/unit, c.want/unit)
			}
		})
	}

	// With S = 0 and n-1 = 2^40 the variance is Q / 2^40.
	tie := big.NewInt(1<<53 + 1)
	for _, c := range []struct {
		name  string
		extra int64 // added to the variance, in 2^-40 square units
		want  float64
	}{{"tie", 0, below}, {"lost by the division", 1, above}, {"lost by the root", 1 << 40, above}} {
		t.Run("std/"+c.name, func(t *testing.T) {
			s := Sums{N: 1<<40 + 1}
			q := new(big.Int).Mul(tie, tie)
			q.Lsh(q, 40).Add(q, big.NewInt(c.extra))
			for i := range s.Q {
				s.Q[i] = new(big.Int).Rsh(q, uint(64*i)).Uint64()
			}
			if err := s.Check(); err != nil {
				t.Fatal(err)
			}
			if got, _ := s.Std(); got != c.want {
				t.Errorf("Std = %v units, want %v", got/unit, c.want/unit)
			}
		})
	}
}
