package exact

import (
	"math"
	"math/big"
)

// guardBits is how many leading bits of a quotient or root are computed: more
// than the 53 of a float64 and the one that decides a tie.
const guardBits = 64

// Mean returns S/n, rounded once, to nearest even; false if there are no
// values. It never overflows: the mean of two 1e308 is 1e308.
//
// A NaN among the values, or infinities of both signs, give NaN; infinities of
// one sign give that infinity. A sum of zero gives +0, also when every value is
// -0; a sum too near zero gives a zero of its sign, as IEEE division does.
func (s *Sums) Mean() (float64, bool) {
	if s.N <= 0 {
		return 0, false
	}
	switch {
	case s.NaN != 0 || s.PosInf != 0 && s.NegInf != 0:
		return math.NaN(), true
	case s.PosInf != 0:
		return math.Inf(1), true
	case s.NegInf != 0:
		return math.Inf(-1), true
	}
	sum, n := bigSigned(s.S[:]), big.NewInt(s.N)
	negative := sum.Sign() < 0
	sum.Abs(sum)

	shift := max(0, guardBits+n.BitLen()-sum.BitLen())
	sum.Lsh(sum, uint(shift))
	rest := new(big.Int)
	sum.QuoRem(sum, n, rest)
	mean := round(sum, rest.Sign() != 0, -sumUnit-shift)
	if negative {
		mean = -mean
	}
	return mean, true
}

// Std returns the sample standard deviation √((n·Q − S²) / (n·(n−1))), rounded
// once, to nearest even; false if there are fewer than two values.
//
// NaN or infinities among the values give NaN. Squares do not overflow or
// underflow on the way; only a result beyond the largest float64, as of ±1.7e308,
// is +Inf. Sums that fail Check may give NaN.
func (s *Sums) Std() (float64, bool) {
	if s.N < 2 {
		return 0, false
	}
	if s.NaN != 0 || s.PosInf != 0 || s.NegInf != 0 {
		return math.NaN(), true
	}
	spread := s.spread()
	if spread.Sign() < 0 {
		return math.NaN(), true // no numbers have such sums, see Check
	}
	return root(spread, s.pairs(), -sumUnit), true
}

// spread returns n·Q − S², in units of 2^-squareUnit.
func (s *Sums) spread() *big.Int {
	spread := bigUnsigned(s.Q[:])
	sum := bigSigned(s.S[:])
	return spread.Mul(spread, big.NewInt(s.N)).Sub(spread, sum.Mul(sum, sum))
}

// pairs returns n·(n−1).
func (s *Sums) pairs() *big.Int {
	pairs := big.NewInt(s.N)
	return pairs.Mul(pairs, big.NewInt(s.N-1))
}

// root returns √(x/y)·2^exponent as the nearest float64, ties to even. It changes x.
func root(x, y *big.Int, exponent int) float64 {
	// An even shift: half of it is left after the root.
	shift := max(0, 2*guardBits+y.BitLen()-x.BitLen())
	shift += shift % 2
	x.Lsh(x, uint(shift))
	rest := new(big.Int)
	x.QuoRem(x, y, rest)
	root := new(big.Int).Sqrt(x)
	inexact := rest.Sign() != 0 || rest.Mul(root, root).Cmp(x) != 0
	return round(root, inexact, exponent-shift/2)
}

// round returns (m + ε)·2^exponent as the nearest float64, ties to even, where ε
// is 0 or, if inexact, somewhere strictly between 0 and 1. An inexact m has at
// least guardBits-1 bits. It changes m.
func round(m *big.Int, inexact bool, exponent int) float64 {
	// Any bit below those that decide a tie stands for ε.
	m.Lsh(m, 1)
	if inexact {
		m.SetBit(m, 0, 1)
	}
	exact := new(big.Float).SetInt(m) // has the precision of m
	exact.SetMantExp(exact, exponent-1)
	nearest, _ := exact.Float64()
	return nearest
}
