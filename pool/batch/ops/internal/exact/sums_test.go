package exact

import (
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

func TestFloatsAgainstRat(t *testing.T) {
	for name := range generators {
		t.Run(name, func(t *testing.T) {
			for n := range 12 {
				for seed := range uint64(20) {
					values := generate(name, seed, n)
					var s Sums
					if err := AddSums(&s, values, nil, 0); err != nil {
						t.Fatal(err)
					}
					refFloats(values).verify(t, &s)
				}
			}
			values := generate(name, 99, 3000)
			var s Sums
			if err := AddSums(&s, values, nil, 0); err != nil {
				t.Fatal(err)
			}
			refFloats(values).verify(t, &s)
		})
	}
}

// Full bins must hold binRoom values of the largest mantissa, and not more are
// put in.
func TestFullBins(t *testing.T) {
	largest := 0x1p1*(1-0x1p-53) + 0 // mantissa all ones
	for shift := range 4 {
		v := math.Ldexp(largest, 100+shift)
		for _, n := range []int{binRoom - 1, binRoom, binRoom + 1, 3*binRoom + 7} {
			for _, sign := range []float64{1, -1} {
				values := make([]float64, n)
				for i := range values {
					values[i] = sign * v
				}
				var s Sums
				if err := AddSums(&s, values, nil, 0); err != nil {
					t.Fatal(err)
				}
				r := &reference{n: int64(n)}
				count, x := new(big.Rat).SetInt64(int64(n)), ratOf(sign*v)
				r.s.Mul(count, x)
				r.q.Mul(&r.s, x)
				r.verify(t, &s)
			}
		}
	}
}

func TestFloat32WidensExactly(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	var narrow []float32
	var wide []float64
	for len(narrow) < 5000 {
		v := math.Float32frombits(r.Uint32())
		narrow, wide = append(narrow, v), append(wide, float64(v))
	}
	narrow = append(narrow, math.SmallestNonzeroFloat32, -math.MaxFloat32)
	wide = append(wide, math.SmallestNonzeroFloat32, -math.MaxFloat32)
	var got, want Column
	mustAdd(t, &got, narrow)
	mustAdd(t, &want, wide)
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestIntegersEnterExactly(t *testing.T) {
	testIntegers(t, []int8{math.MinInt8, math.MaxInt8, -1, 0, 1})
	testIntegers(t, []int16{math.MinInt16, math.MaxInt16, -1, 0, 1})
	testIntegers(t, []int32{math.MinInt32, math.MaxInt32, -1, 0, 1})
	testIntegers(t, []int64{math.MinInt64, math.MinInt64, math.MaxInt64, -1, 0, 1, 1<<53 + 1, -1<<53 - 1})
	testIntegers(t, []int64{math.MinInt64, math.MinInt64, math.MinInt64})
	testIntegers(t, []uint8{math.MaxUint8, math.MaxUint8, 0, 1})
	testIntegers(t, []uint16{math.MaxUint16, 0, 1})
	testIntegers(t, []uint32{math.MaxUint32, 0, 1})
	testIntegers(t, []uint64{math.MaxUint64, math.MaxUint64 - 1, math.MaxUint64, 1 << 63, 0, 1})
	type named uint64
	testIntegers(t, []named{math.MaxUint64, math.MaxUint64, math.MaxUint64})
}

// testIntegers adds the edges, then random values between them.
func testIntegers[T Number](t *testing.T, values []T) {
	t.Helper()
	r := rand.New(rand.NewPCG(7, 7))
	for range 2000 {
		values = append(values, T(r.Uint64()>>r.IntN(64)))
	}
	for _, n := range []int{0, 1, 2, 3, 4, 5, 8, len(values)} {
		var c Column
		mustAdd(t, &c, values[:n])
		want := new(reference)
		for _, v := range values[:n] {
			x := new(big.Rat).SetInt64(int64(v))
			if kindOf[T]() == KindUint64 {
				x.SetUint64(uint64(v))
			}
			want.add(x)
		}
		want.verify(t, &c.Sums)
		if err := c.Check(); err != nil {
			t.Error(err)
		}
	}
}

// Merging a value with itself k times gives 2^k times as many elements.
func TestHugeCounts(t *testing.T) {
	for _, seed := range [][]float64{
		{math.MaxFloat64}, {-math.MaxFloat64}, {math.MaxFloat64, -math.MaxFloat64},
		{math.SmallestNonzeroFloat64}, {-math.SmallestNonzeroFloat64, 0}, {1e308, 0}, {0.1, 0.2, -7},
	} {
		var s Sums
		if err := AddSums(&s, seed, nil, 0); err != nil {
			t.Fatal(err)
		}
		r := refFloats(seed)
		for s.N <= math.MaxInt64/2 {
			if err := s.Merge(&s); err != nil {
				t.Fatal(err)
			}
			two := big.NewRat(2, 1)
			r.n *= 2
			r.s.Mul(&r.s, two)
			r.q.Mul(&r.q, two)
			if s.N>>40 == int64(len(seed)) || s.N > math.MaxInt64/2 {
				r.verify(t, &s)
			}
		}
		before := s
		if err := s.Merge(&s); !errors.Is(err, ErrTooMany) {
			t.Errorf("Merge past 2^63: %v, want ErrTooMany", err)
		}
		if err := AddSums(&s, make([]float64, 1), nil, 0); err != nil {
			t.Errorf("Add one more: %v", err)
		}
		if s.N != before.N+1 || s.S != before.S || s.Q != before.Q {
			t.Error("a zero changed the sums")
		}
		s.N = math.MaxInt64
		if err := AddSums(&s, make([]float64, 1), nil, 0); !errors.Is(err, ErrTooMany) {
			t.Errorf("Add past 2^63: %v, want ErrTooMany", err)
		}
	}
}

func TestAnyOrderSameBytes(t *testing.T) {
	for name := range generators {
		t.Run(name, func(t *testing.T) {
			values := generate(name, 3, 4000)
			values = append(values, 0, math.Copysign(0, -1))
			testAnyOrder(t, values)
			withSpecials := append(values, math.Inf(1), math.Inf(-1), math.NaN(),
				math.Float64frombits(0x7ff0000000000001), math.Float64frombits(0xffffffffffffffff))
			testAnyOrder(t, withSpecials)
		})
	}
	r := rand.New(rand.NewPCG(11, 11))
	signed, unsigned := make([]int64, 4000), make([]uint64, 4000)
	for i := range signed {
		unsigned[i] = r.Uint64() >> r.IntN(64)
		signed[i] = int64(unsigned[i])
	}
	testAnyOrder(t, signed)
	testAnyOrder(t, unsigned)
}

// testAnyOrder adds the values at once, then in random order, cut into random
// pieces and merged pairwise in random order.
func testAnyOrder[T Number](t *testing.T, values []T) {
	t.Helper()
	var want Column
	mustAdd(t, &want, values)
	r := rand.New(rand.NewPCG(13, 13))
	for round := range 20 {
		shuffled := append([]T(nil), values...)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		parts := make([]Column, 1+r.IntN(40))
		for len(shuffled) > 0 {
			k := min(len(shuffled), r.IntN(300))
			mustAdd(t, &parts[r.IntN(len(parts))], shuffled[:k])
			shuffled = shuffled[k:]
		}
		for len(parts) > 1 {
			i := r.IntN(len(parts) - 1)
			if err := parts[i].Merge(&parts[len(parts)-1]); err != nil {
				t.Fatal(err)
			}
			parts = parts[:len(parts)-1]
		}
		if parts[0] != want {
			t.Fatalf("round %d: got %+v, want %+v", round, parts[0], want)
		}
	}
}

func mustAdd[T Number](t testing.TB, c *Column, values []T) {
	t.Helper()
	if err := AddColumn(c, values, nil, 0); err != nil {
		t.Fatal(err)
	}
}
