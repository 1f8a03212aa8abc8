// Package exact keeps sums and sums of squares without rounding, so that a
// reduction over a column gives the same bytes whatever the chunks, their order
// or the number of workers.
//
// [Sums] is the count, the sum S and the sum of squares Q of a multiset of
// numbers; [MinMax] is its least and greatest value; [Column] is both plus the
// count of nulls. A worker adds slices to a Column with [AddColumn], hands it
// over as a plain value, and the receiver calls [Column.Merge]. Only [Sums.Mean],
// [Sums.Std] and [Score] round, once each.
//
// # Layout
//
// A finite float64 is an integer times 2^-1074, its square an integer times
// 2^-2148. S and Q are those integers, in two's complement, in little-endian
// 64-bit limbs: limb i of S weighs 2^(64i-1074), limb i of Q 2^(64i-2148).
// Adding is integer addition, which is commutative and associative, and every
// value has exactly one form: there are no pending carries to normalise before
// a Sums is handed out.
//
//	Sums, 840 bytes, 8-aligned, no padding
//
//	   0  N, NaN, PosInf, NegInf   4 × int64
//	  32  S   34 limbs, 2176 bits
//	 304  Q   67 limbs, 4288 bits
//
//	S  limb 33            limb 16                     limb 0
//	  ┌───────────────────────┬───────────────────────────┐
//	  │sign, room │ 2^1023 … 1│ 2^-1         …    2^-1074 │
//	  └───────────────────────┴───────────────────────────┘
//	bit 2175  2161         1074                           0
//
//	Q  limb 66            limb 33                     limb 0
//	  ┌───────────────────────┬───────────────────────────┐
//	  │zero, room │ 2^2047 … 1│ 2^-1         …    2^-2148 │
//	  └───────────────────────┴───────────────────────────┘
//	bit 4287  4258         2148                           0
//
// "Room" is for the at most 2^63-1 values that N can count: |S| < 2^2161 and
// Q < 2^4259 in those units. Integers enter at bit 1074 of S and their squares
// at bit 2148 of Q, without passing through float64.
//
//	Column, 872 bytes:  0 Sums │ 840 Nulls │ 848 Range {Kind, Min, Max}
//
// # Adding floats
//
// One call to an Add function first collects floats in 512 bins on its own
// stack, and flushes the bins into S and Q at the end (and every 65536 values).
// With e the biased exponent less one (0 for subnormals) and m the signed
// 53-bit mantissa, a value is m·2^(e-1074). It goes to bin b = e/4 as the
// integer x = m·2^(e mod 4), |x| < 2^56:
//
//	bin b  ┌────────────┬────────────┐
//	       │ sum of x   │ sum of x²  │   128 bits each
//	       └────────────┴────────────┘
//	weight   2^(4b-1074)  2^(8b-2148)
//
// x² < 2^112, so 2^16 values fit between two flushes. The bins cost about a
// microsecond per call; slices of a thousand values or more hide it.
//
// # Formulae
//
//	mean = S / n
//	std  = √((n·Q − S²) / (n·(n−1)))
//
// Both are computed from the integers: quotient and root are cut off some bits
// below the mantissa of the result, with a last bit that says whether anything
// was lost, and this is rounded to the nearest float64, ties to even.
//
// # Scores
//
// [Score] gives the float64 nearest to (x − mean) / std of the exact mean and std. It
// computes the score as a float p and a small float q, whose sum is off by less than
// some slack. If p+(q−slack) and p+(q+slack) are the same float64, that is the nearest
// one, as rounding is monotone. Else the next way is tried. With u = 2^-53:
//
//  1. direct: x·r − m, where r = 1/std and m = mean/std are pairs of floats with an
//     error of u² of themselves. The upper product, what it loses (by FMA) and the
//     difference of it and m are exact; the rest are terms of u(|x·r|+|m|) at most,
//     and rounding them, their sums and r and m makes up to 11u²(|x·r|+|m|). The slack
//     is 2^-101 of that sum for the x that is furthest from 0. Columns of integers
//     beyond 2^53, and those whose slack would be near the last bit of a score, start
//     with the next way.
//  2. viaCenter: (x − c − f)·r, where c is the float (or the integer) next to the mean
//     and f = mean − c. x − c is exact as a pair of floats a+b. c is not further from
//     the mean than x is, so |f| ≤ |x − mean| and |a| ≤ 2|x − mean|: nothing cancels
//     but one bit, and the error is relative to the score. It is below 36u²; the slack
//     is 2^-99. Powers of two scale floats so far that nothing underflows in scores
//     above 2^-800.
//  3. exactly: integers, and a root that is cut off with a last bit that says whether
//     anything was lost.
//
// The second takes some four times as long as the first, the third some microseconds
// (BenchmarkScore). Where the largest value is 2^k deviations, about one value in
// 2^(47-k) needs the second; the third is for scores within 2^-45 of an ulp of the point
// halfway between two floats.
//
// # Lifetimes
//
// All types are plain values of fixed size without pointers: copy them, compare
// them with ==, write them field by field. Nothing keeps a slice it was given.
//
// # Concurrency
//
// There are no locks and no package state. A value may be read by many
// goroutines or changed by one.
//
// # Failure
//
// A value from another process is untrusted: the Merge methods run
// Check on their argument and return [ErrCorrupt]; to read such a value without
// merging it, call Check first. A method that returns an error has changed
// nothing. No bit pattern makes any method panic or run long.
//
// # Platforms
//
// Pure Go, same results everywhere.
//
// # Sources
//
// R. M. Neal, "Fast exact summation using small and large superaccumulators",
// 2015, arXiv:1505.05571: bins by exponent in front of a fixed-point
// accumulator. U. Kulisch, "Computer Arithmetic and Validity", 2008: the long
// accumulator that covers the whole exponent range.
package exact
