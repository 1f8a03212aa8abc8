package exact

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// scored is a column whose scores are known.
type scored[T Number] struct {
	values []T
	rat    func(T) *big.Rat
	z      Standard
	mean   *big.Rat
	std    *big.Float // 8192 bits
	spread *big.Rat   // std squared
}

func newScored[T Number](t *testing.T, values []T, rat func(T) *big.Rat) *scored[T] {
	t.Helper()
	var c Column
	mustAdd(t, &c, values)
	r := new(reference)
	for _, v := range values {
		r.add(rat(v))
	}
	s := &scored[T]{values: values, rat: rat, spread: r.variance()}
	s.mean, s.std = new(big.Rat).Quo(&r.s, new(big.Rat).SetInt64(r.n)), bigRoot(s.spread)
	var ok bool
	if s.z, ok = c.Standard(); !ok {
		t.Fatalf("%v has no standard", values)
	}
	return s
}

// verify compares the scores with rationals.
func (s *scored[T]) verify(t *testing.T) {
	t.Helper()
	scores := make([]float64, len(s.values))
	Score(&s.z, scores, s.values)
	for i, v := range s.values {
		if s.spread.Sign() == 0 {
			if !math.IsNaN(scores[i]) {
				t.Fatalf("score %v of %v, the same as all", scores[i], v)
			}
			continue
		}
		d := new(big.Rat).Sub(s.rat(v), s.mean)
		sign := d.Sign()
		d.Mul(d, d).Quo(d, s.spread)
		size := math.Abs(scores[i])
		if !isNearestRoot(size, d) || math.Signbit(scores[i]) != (sign < 0) {
			want, _ := bigRoot(d).Float64()
			t.Fatalf("score of %v, %d of %d values, is %v, want %v of sign %d", v, i, len(s.values), scores[i], want, sign)
		}
	}
}

// verifySlack holds the errors of both ways to compute a score against their bounds. The
// rounding to float64 shows too large an error only in one of 2^40 values.
func (s *scored[T]) verifySlack(t *testing.T) {
	t.Helper()
	if s.z.Kind == KindNone {
		return
	}
	compare := func(way string, v T, p, q, slack float64) {
		t.Helper()
		got := new(big.Float).SetPrec(8192).SetFloat64(p)
		got.Add(got, big.NewFloat(q))
		want := new(big.Float).SetPrec(8192).SetRat(new(big.Rat).Sub(s.rat(v), s.mean))
		want.Quo(want, s.std)
		if off, _ := got.Sub(got, want).Float64(); math.Abs(off) > slack/2 { // which leaves the rest for q ± slack
			t.Fatalf("%s: the score of %v is off by %v, want less than %v", way, v, off, slack)
		}
	}
	for _, v := range s.values {
		if s.z.Slack > 0 {
			p, q := s.z.direct(float64(v))
			compare("direct", v, p, q, s.z.Slack)
		}
		a, b := s.z.fromCenter(float64(v))
		if s.z.Kind != KindFloat64 {
			a, b = s.z.fromIntCenter(uint64(v))
		}
		if p, q := s.z.viaCenter(a, b); math.Abs(p) > tinyScore {
			compare("viaCenter", v, p, q, math.Abs(p)*0x1p-99)
		}
	}
}

func requireScores[T Number](t *testing.T, values []T, rat func(T) *big.Rat) {
	t.Helper()
	s := newScored(t, values, rat)
	s.verify(t)
	s.verifySlack(t)
}

func ratInt(v int64) *big.Rat   { return new(big.Rat).SetInt64(v) }
func ratUint(v uint64) *big.Rat { return new(big.Rat).SetUint64(v) }

func TestScores(t *testing.T) {
	const least, largest = math.SmallestNonzeroFloat64, math.MaxFloat64
	const half = 0.7071067811865476
	for _, c := range []struct {
		name         string
		values, want []float64
	}{
		{"above 2^53", []float64{1e16, 1e16 + 2}, []float64{-half, half}},
		{"std above the largest float", []float64{-largest, largest}, []float64{-half, half}},
		{"deviation below the least float", []float64{0, least}, []float64{-half, half}},
		{"the largest floats", []float64{largest, largest, math.Nextafter(largest, 0)}, []float64{0.5773502691896257, 0.5773502691896257, -1.1547005383792515}},
		{"the mean is a value", []float64{1, 2, 3}, []float64{-1, 0, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			requireScores(t, c.values, ratOf)
			var col Column
			mustAdd(t, &col, c.values)
			z, _ := col.Standard()
			got := make([]float64, len(c.values))
			Score(&z, got, c.values)
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestScoresAgainstRationals(t *testing.T) {
	for name := range generators {
		for seed := range uint64(12) {
			requireScores(t, generate(name, seed, 2+3*int(seed)), ratOf)
		}
	}
	r := rand.New(rand.NewPCG(1, 9))
	for n := 2; n < 12; n++ {
		for range 20 {
			ints, uints, small := make([]int64, n), make([]uint64, n), make([]int8, n)
			base, bits := int64(r.Uint64()), r.IntN(65)
			for i := range ints {
				ints[i] = base + int64(r.Uint64()>>bits)
				uints[i] = uint64(base) + r.Uint64()>>bits
				small[i] = int8(ints[i])
			}
			requireScores(t, ints, ratInt)
			requireScores(t, uints, ratUint)
			requireScores(t, small, func(v int8) *big.Rat { return ratInt(int64(v)) })
		}
	}
	for range 200 { // values that differ in their last bits, of any magnitude
		base, n := r.Uint64()&^(1<<62), 2+r.IntN(9)
		floats, narrow := make([]float64, n), make([]float32, n)
		for i := range floats {
			floats[i] = math.Float64frombits(base + r.Uint64N(4))
			narrow[i] = math.Float32frombits(uint32(base>>32) + r.Uint32N(4))
		}
		requireScores(t, floats, ratOf)
		requireScores(t, narrow, func(v float32) *big.Rat { return ratOf(float64(v)) })
	}
	requireScores(t, []int64{1<<53 + 1, 0, -1 << 53, 1<<53 - 1}, ratInt)
	requireScores(t, []int64{1<<53 + 1, 1 << 53, 1<<53 - 2}, ratInt)
	requireScores(t, []uint64{1<<53 + 1, 1 << 53, 3}, ratUint)
	requireScores(t, []int64{math.MinInt64, math.MaxInt64, 0, -1, 1}, ratInt)
	requireScores(t, []uint64{0, math.MaxUint64, math.MaxUint64 - 1}, ratUint)
	requireScores(t, []int64{17e17, 17e17 + 1, 17e17 + 2}, ratInt)
}

// A point halfway between two floats, as far as two floats know, is left to integers.
func TestScoreTies(t *testing.T) {
	z := Standard{Kind: KindFloat64, Scale: 1, Inverse: [2]float64{1, 0}, Rest: [2]float64{0x1p-54, 0}}
	if got, ok := z.round(1, 0); ok {
		t.Errorf("1 − 2^-54 is rounded to %v", got)
	}
	for _, rest := range []float64{0x1p-54 + 0x1p-80, 0x1p-54 - 0x1p-80} {
		z.Rest[0] = rest
		if got, ok := z.round(1, 0); !ok || got != 1-rest {
			t.Errorf("1 − %v is rounded to %v, %v", rest, got, ok)
		}
	}
}

func TestNoScores(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, values := range [][]float64{{1, nan}, {1, inf}, {-inf, inf}, {0.1, 0.1, 0.1}, {0, math.Copysign(0, -1)}, {math.MaxFloat64, math.MaxFloat64, math.MaxFloat64}} {
		var c Column
		mustAdd(t, &c, values)
		z, ok := c.Standard()
		scores := make([]float64, len(values))
		Score(&z, scores, values)
		if !ok || !math.IsNaN(scores[0]) || !math.IsNaN(scores[1]) {
			t.Errorf("the scores of %v are %v, want NaN", values, scores)
		}
	}
	var c Column
	mustAdd(t, &c, []float64{1})
	if _, ok := c.Standard(); ok {
		t.Error("a single value has a standard")
	}
}

func BenchmarkScore(b *testing.B) {
	benchmarkScore(b, "float64", rand.NormFloat64)
	benchmarkScore(b, "float32", func() float32 { return float32(rand.NormFloat64()) })
	benchmarkScore(b, "int16", func() int16 { return int16(rand.Uint64()) })
	benchmarkScore(b, "int64", func() int64 { return int64(rand.Uint64()) })
}

func benchmarkScore[T Number](b *testing.B, dtype string, next func() T) {
	values := make([]T, 65536)
	for i := range values {
		values[i] = next()
	}
	scores := make([]float64, len(values))
	var c Column
	mustAdd(b, &c, values)
	mean, _ := c.Sums.Mean()
	std, _ := c.Sums.Std()
	z, _ := c.Standard()
	b.Run("dtype="+dtype+"/to=plain", func(b *testing.B) {
		for b.Loop() {
			for i, v := range values {
				scores[i] = (float64(v) - mean) / std
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(values)), "ns/element")
	})
	b.Run("dtype="+dtype+"/to=exact", func(b *testing.B) {
		for b.Loop() {
			Score(&z, scores, values)
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(values)), "ns/element")
	})
	b.Run("dtype="+dtype+"/to=standard", func(b *testing.B) {
		for b.Loop() {
			c.Standard()
		}
	})
	b.Run("dtype="+dtype+"/to=integers", func(b *testing.B) {
		for b.Loop() {
			z.exactly(floatUnits(float64(values[0])))
		}
	})
}
