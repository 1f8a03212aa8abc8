package exact

import (
	"math"
	"math/big"
	"math/bits"
)

// A Standard is what [Score] needs of a column: its mean and its standard deviation,
// each as the sum of two floats, and the sums themselves for the few values that need
// more. [Column.Standard] makes it.
//
// It is a plain value, as a [Column] is, and may be read by several goroutines.
type Standard struct {
	Sums Sums
	// Kind is that of the values. It is KindNone if no value has a score: there is a
	// NaN or an infinity among them, or they are all the same.
	Kind Kind
	// Scale is a power of two by which floats are multiplied where their deviation is
	// far from 1, so that nothing overflows or loses bits on the way. Else it is 1.
	Scale float64
	// Center is the float next to the scaled mean. For integers it is 0 and IntCenter
	// is the Key of the integer next to the mean.
	Center    float64
	IntCenter uint64
	// Rest is the scaled mean less the center, Inverse is 1 over the scaled deviation.
	Rest, Inverse [2]float64
	// Centered says that the mean is the center exactly.
	Centered bool
	// Ratio is mean/std and Slack the error that direct can make with it. Slack is 0
	// if direct does not do for the column.
	Ratio [2]float64
	Slack float64
}

const (
	// The deviation is known to more bits than two floats hold.
	inversePrec = 256
	// The mean, of less than 2^86 deviations if the values are not all the same, is
	// known down to 2^-1100 of a deviation, far below tinyScore.
	meanPrec = 1280
	// Columns whose deviation is not within 2^±mostExponent are scaled.
	mostExponent = 100
)

// Standard returns the mean and deviation of c; false if there are fewer than two
// values. It takes some 10 µs.
func (c *Column) Standard() (z Standard, ok bool) {
	s := &c.Sums
	if s.N < 2 {
		return z, false
	}
	z.Sums = *s
	spread := s.spread()
	if s.finite() != s.N || spread.Sign() <= 0 {
		return z, true
	}
	z.Kind = c.Range.Kind

	// The square of 1/std is pairs/spread, in units of 2^(2·sumUnit).
	inverse := new(big.Float).SetPrec(inversePrec).SetInt(s.pairs())
	inverse.Quo(inverse, new(big.Float).SetPrec(inversePrec).SetInt(spread))
	inverse.Sqrt(inverse)
	scale := inverse.MantExp(nil) + sumUnit
	if max(scale, -scale) <= mostExponent {
		scale = 0
	}
	scale = max(-1022, min(scale, 1022)) // a normal float, both ways
	z.Scale = math.Ldexp(1, scale)
	inverse.SetMantExp(inverse, sumUnit-scale)
	z.Inverse = twoFloats(inverse)

	n := new(big.Float).SetInt64(s.N)
	sum := new(big.Float).SetInt(bigSigned(s.S[:]))
	sum.SetMantExp(sum, scale-sumUnit)
	mean := new(big.Float).SetPrec(meanPrec).Quo(sum, n)
	center := z.setCenter(mean)
	z.Rest = twoFloats(new(big.Float).Sub(mean, center))
	z.Centered = new(big.Float).SetPrec(128).Mul(center, n).Cmp(sum) == 0
	if scale == 0 {
		z.Ratio = twoFloats(mean.Mul(mean, inverse))
		z.Slack = c.slack(&z)
	}
	return z, true
}

func (z *Standard) setCenter(mean *big.Float) *big.Float {
	center := new(big.Float).SetPrec(64)
	if z.Kind == KindFloat64 {
		z.Center, _ = mean.Float64()
		return center.SetFloat64(z.Center)
	}
	half := math.Copysign(0.5, float64(mean.Sign()))
	next, _ := new(big.Float).Add(mean, big.NewFloat(half)).Int(nil)
	z.IntCenter = new(big.Int).Abs(next).Uint64()
	if next.Sign() < 0 {
		z.IntCenter = -z.IntCenter
	}
	z.IntCenter ^= signBit(z.Kind)
	return center.SetInt(next)
}

// signBit is what is flipped in integers of kind k to compare them as unsigned ones.
func signBit(k Kind) uint64 {
	if k == KindInt64 {
		return 1 << 63
	}
	return 0
}

// twoFloats returns the float nearest to v and the one nearest to what is left.
func twoFloats(v *big.Float) (parts [2]float64) {
	parts[0], _ = v.Float64()
	rest := new(big.Float).SetPrec(v.Prec()).Sub(v, big.NewFloat(parts[0]))
	parts[1], _ = rest.Float64()
	return parts
}

// slack returns Standard.Slack: 0 if an integer may be no float, or the terms of the
// difference are so much larger than the deviation that direct could seldom round it.
func (c *Column) slack(z *Standard) float64 {
	most := 0.0
	switch c.Range.Kind {
	case KindInt64:
		most = max(-float64(int64(c.Range.Min)), float64(int64(c.Range.Max)))
	case KindUint64:
		most = float64(c.Range.Max)
	case KindFloat64:
		least, greatest, _ := c.Range.Float64()
		most = max(-least, greatest)
	}
	size := most*z.Inverse[0] + math.Abs(z.Ratio[0])
	if c.Range.Kind != KindFloat64 && most >= 1<<53 || !(size < 1<<40) {
		return 0
	}
	return size * 0x1p-101
}

// Score sets each element of scores to (v − mean) / std of the element v of values:
// the float64 nearest to that number, which is rounded once, ties to even. It is
// always finite, as no value of n is further than √n deviations from their mean. If
// the values have no scores it is NaN.
//
// Preconditions:
//   - the values are among those of the column that gave z.
//   - scores is at least as long as values.
func Score[T Number](z *Standard, scores []float64, values []T) {
	scores = scores[:len(values)]
	switch {
	case z.Kind != kindOf[T]():
		for i := range scores {
			scores[i] = math.NaN()
		}
	case z.Slack > 0:
		for from := 0; from < len(values); from += directBlock {
			to := min(from+directBlock, len(values))
			scoreBlock(z, scores[from:to], values[from:to])
		}
	default:
		for i, v := range values {
			scores[i] = score(z, v)
		}
	}
}

// directBlock is as many values as stay in the first cache.
const directBlock = 1024

// scoreBlock does what direct can round, and leaves the rest to score.
func scoreBlock[T Number](z *Standard, scores []float64, values []T) {
	for i, v := range values {
		// A loop of its own: on amd64 a conversion waits for what its register held.
		scores[i] = float64(v)
	}
	for i, x := range scores {
		s, q := z.direct(x)
		low, high := s+(q-z.Slack), s+(q+z.Slack)
		if low != high {
			low = score(z, values[i])
		}
		scores[i] = low
	}
}

// direct returns x·Inverse − Ratio as s+q, where q is small. The sum is off by less than
// Slack.
func (z *Standard) direct(x float64) (s, q float64) {
	p := float64(x * z.Inverse[0]) // the conversion says that it is rounded by itself
	s = p - z.Ratio[0]
	back := s - p
	rest := math.FMA(x, z.Inverse[0], -p) + (x*z.Inverse[1] - z.Ratio[1])
	return s, rest + ((p - (s - back)) - (z.Ratio[0] + back))
}

// score returns the score of v: from its distance to the center, which is a+b exactly.
func score[T Number](z *Standard, v T) float64 {
	if z.Kind == KindFloat64 {
		a, b := z.fromCenter(float64(v))
		if near, ok := z.round(a, b); ok {
			return near
		}
		return z.exactly(floatUnits(float64(v)))
	}
	a, b := z.fromIntCenter(uint64(v))
	if near, ok := z.round(a, b); ok {
		return near
	}
	return z.exactly(intUnits(uint64(v), z.Kind))
}

// fromCenter returns v·Scale − Center as a+b, where b is what was lost in a.
func (z *Standard) fromCenter(v float64) (a, b float64) {
	x := float64(v * z.Scale) // as in direct
	a = x - z.Center
	back := a - x
	return a, (x - (a - back)) - (z.Center + back)
}

// fromIntCenter does the same for the integer v and IntCenter. The difference takes 65
// bits: the upper 54 and the lower 11 of them are floats.
func (z *Standard) fromIntCenter(v uint64) (a, b float64) {
	difference, below := bits.Sub64(v^signBit(z.Kind), z.IntCenter, 0)
	upper := float64(int64(difference>>11)-int64(below<<53)) * (1 << 11)
	lower := float64(int64(difference & (1<<11 - 1)))
	a = upper + lower
	return a, lower - (a - upper)
}

// tinyScore is up to where underflow plays no part in the error of viaCenter.
const tinyScore = 0x1p-800

// round returns (a + b − Rest) · Inverse as the nearest float64; false if it can't tell.
func (z *Standard) round(a, b float64) (float64, bool) {
	p, q := z.viaCenter(a, b)
	slack := math.Abs(p) * 0x1p-99
	low, high := p+(q-slack), p+(q+slack)
	return low, low == high && math.Abs(p) > tinyScore || a == 0 && b == 0 && z.Centered
}

// viaCenter returns (a + b − Rest) · Inverse as p+q, where q is small. The sum is off by
// less than 2^-99 of itself if it is not tiny.
func (z *Standard) viaCenter(a, b float64) (p, q float64) {
	d := a - z.Rest[0]
	back := d - a
	e := (a - (d - back)) - (z.Rest[0] + back)
	e += b - z.Rest[1]
	p = float64(d * z.Inverse[0]) // as in direct
	return p, math.FMA(d, z.Inverse[0], -p) + (d*z.Inverse[1] + e*z.Inverse[0])
}

// exactly is the score in integers, for a value of so many units of 2^-sumUnit. It takes
// some microseconds.
func (z *Standard) exactly(value *big.Int) float64 {
	// value − mean is t/n units, std the root of spread/pairs.
	s := &z.Sums
	n := big.NewInt(s.N)
	t := value.Mul(value, n)
	t.Sub(t, bigSigned(s.S[:]))
	sign := float64(t.Sign())
	t.Mul(t, t).Mul(t, s.pairs())
	return sign * root(t, n.Mul(n, n).Mul(n, s.spread()), 0)
}

func floatUnits(v float64) *big.Int {
	word := math.Float64bits(v)
	exponent := word >> 52 & 0x7ff
	mantissa := word & (1<<52 - 1)
	if exponent > 0 {
		mantissa |= 1 << 52
		exponent--
	}
	units := new(big.Int).SetUint64(mantissa)
	if v < 0 {
		units.Neg(units)
	}
	return units.Lsh(units, uint(exponent))
}

func intUnits(v uint64, k Kind) *big.Int {
	units := new(big.Int).SetUint64(v)
	if k == KindInt64 {
		units.SetInt64(int64(v))
	}
	return units.Lsh(units, sumUnit)
}
