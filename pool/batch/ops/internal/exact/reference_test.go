package exact

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// reference keeps the same sums in rationals.
type reference struct {
	n    int64
	s, q big.Rat
}

func (r *reference) add(v *big.Rat) {
	r.n++
	r.s.Add(&r.s, v)
	r.q.Add(&r.q, new(big.Rat).Mul(v, v))
}

func refFloats(values []float64) *reference {
	r := new(reference)
	for _, v := range values {
		r.add(new(big.Rat).SetFloat64(v))
	}
	return r
}

// variance returns (n·Q − S²) / (n·(n−1)).
func (r *reference) variance() *big.Rat {
	n := new(big.Rat).SetInt64(r.n)
	v := new(big.Rat).Mul(n, &r.q)
	v.Sub(v, new(big.Rat).Mul(&r.s, &r.s))
	scale := new(big.Rat).SetInt64(r.n - 1)
	return v.Quo(v, scale.Mul(scale, n))
}

// verify compares sums, mean and std of finite values with the reference.
func (r *reference) verify(t *testing.T, got *Sums) {
	t.Helper()
	if err := got.Check(); err != nil {
		t.Errorf("Check: %v", err)
	}
	if got.N != r.n {
		t.Errorf("N = %d, want %d", got.N, r.n)
	}
	one := big.NewInt(1)
	s := new(big.Rat).SetFrac(bigSigned(got.S[:]), new(big.Int).Lsh(one, sumUnit))
	if s.Cmp(&r.s) != 0 {
		t.Errorf("S = %v, want %v", s, &r.s)
	}
	q := new(big.Rat).SetFrac(bigUnsigned(got.Q[:]), new(big.Int).Lsh(one, squareUnit))
	if q.Cmp(&r.q) != 0 {
		t.Errorf("Q = %v, want %v", q, &r.q)
	}

	mean, ok := got.Mean()
	if ok != (r.n > 0) {
		t.Fatalf("Mean of %d values: ok = %v", r.n, ok)
	}
	if ok {
		want, _ := new(big.Rat).Quo(&r.s, new(big.Rat).SetInt64(r.n)).Float64()
		if mean != want {
			t.Errorf("Mean = %v, want %v", mean, want)
		}
	}
	std, ok := got.Std()
	if ok != (r.n > 1) {
		t.Fatalf("Std of %d values: ok = %v", r.n, ok)
	}
	if ok && !isNearestRoot(std, r.variance()) {
		want, _ := bigRoot(r.variance()).Float64()
		t.Errorf("Std = %v (%#x), want %v", std, math.Float64bits(std), want)
	}
}

// bigRoot returns the square root of x to 8192 bits.
func bigRoot(x *big.Rat) *big.Float {
	f := new(big.Float).SetPrec(8192).SetRat(x)
	return f.Sqrt(f)
}

// isNearestRoot reports whether f is the float64 nearest to √x, ties to even:
// whether x lies between the squares of the points halfway to f's neighbours.
func isNearestRoot(f float64, x *big.Rat) bool {
	if f < 0 || math.Signbit(f) || math.IsNaN(f) {
		return false
	}
	even := math.Float64bits(f)&1 == 0
	halfwaySquared := func(to float64) *big.Rat {
		m := new(big.Rat).Add(ratOf(f), ratOf(to))
		m.Quo(m, big.NewRat(2, 1))
		return m.Mul(m, m)
	}
	if !math.IsInf(f, 1) {
		if c := x.Cmp(halfwaySquared(math.Nextafter(f, math.Inf(1)))); c > 0 || c == 0 && !even {
			return false
		}
	}
	if f == 0 {
		return true
	}
	c := x.Cmp(halfwaySquared(math.Nextafter(f, 0)))
	return c > 0 || c == 0 && even
}

// ratOf returns v; for +Inf 2^1024, where the next float would be.
func ratOf(v float64) *big.Rat {
	if math.IsInf(v, 1) {
		return new(big.Rat).SetInt(new(big.Int).Lsh(big.NewInt(1), 1024))
	}
	return new(big.Rat).SetFloat64(v)
}

// generators make values of different character; all are finite.
var generators = map[string]func(r *rand.Rand, i int) float64{
	"any bits": func(r *rand.Rand, _ int) float64 {
		for {
			if v := math.Float64frombits(r.Uint64()); !math.IsNaN(v) && !math.IsInf(v, 0) {
				return v
			}
		}
	},
	"unit normal": func(r *rand.Rand, _ int) float64 { return r.NormFloat64() },
	"subnormal":   func(r *rand.Rand, _ int) float64 { return math.Float64frombits(r.Uint64() &^ (0x7ff << 52)) },
	"least": func(r *rand.Rand, _ int) float64 {
		return float64(r.IntN(5)-2) * math.SmallestNonzeroFloat64
	},
	"around normal": func(r *rand.Rand, _ int) float64 { return r.NormFloat64() * 0x1p-1022 },
	"largest": func(r *rand.Rand, _ int) float64 {
		return math.Copysign(math.MaxFloat64, r.Float64()-0.5)
	},
	"cancelling": func(r *rand.Rand, i int) float64 {
		if i%16 == 15 {
			return 0x1p-1000
		}
		return math.Copysign(1e300+float64(i/2), float64(i%2)-0.5)
	},
	"small spread": func(r *rand.Rand, _ int) float64 { return 1e9 + r.Float64()*1e-6 },
	"one value":    func(*rand.Rand, int) float64 { return 0.1 },
	"zeros":        func(_ *rand.Rand, i int) float64 { return math.Copysign(0, float64(i%2)-0.5) },
	"integers":     func(r *rand.Rand, _ int) float64 { return float64(r.IntN(1000) - 500) },
}

func generate(name string, seed uint64, n int) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	values := make([]float64, n)
	for i := range values {
		values[i] = generators[name](r, i)
	}
	return values
}
