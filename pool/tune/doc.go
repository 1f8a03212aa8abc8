// Package tune finds out by experiment which stage of a job holds it back, and how wide
// that stage should be: it runs the whole job again and again with one stage twice as
// wide, and only on the bottleneck does the wall-clock move.
//
// # A short tour
//
//   - A [Stage] has a name, a [Kind] and the width it starts with: of one that computes
//     the physical cores that this process can use, of one that waits twice the cores.
//   - A [Job] runs all of it once, with the widths it is given, and says how long it took.
//   - [Run] returns a [Report]: the bottleneck if there is one, the width that is enough,
//     why, and what was measured.
//
// # The experiment
//
// Runs are made in rounds. Each has one run of the job as it is and one of every
// variant that is not judged yet, in random order:
//
//	round 1   as it is   parse × 2   fetch × 2
//	round 2   fetch × 2   as it is   parse × 2
//	…
//
// What a variant gains is estimated from the differences of the logarithms of the
// wall-clocks within each round, so what is slow for a while is slow for both: the
// estimate is their median, with the confidence bounds that belong to the sign test, exact for
// any number of rounds and any distribution of the noise (stat.MedianInterval). The
// random order makes the test valid whatever the noise is: where a variant changes
// nothing, either run of a pair is as likely to be the shorter.
//
// A variant is faster when the lower bound of its gain is above 1 and the estimate is
// [Options.MinGain] at least; no faster when the upper bound is below that; else more
// rounds follow, and in the end it is unclear. There are three looks at most. The error of 5 %
// is shared out among looks and variants, so that in pure noise a bottleneck is named in
// at most one experiment of twenty.
//
//   - One stage alone makes it faster: that is the bottleneck, and its width is doubled
//     on until that does not pay any more.
//   - None alone, but all together: no single bottleneck. Each is then left out in turn
//     to see which of them it takes.
//   - Not even all together: what holds the job back is none of these stages.
//
// # Concurrency
//
// Run calls the Job on its own goroutine, one run at a time. Whatever else runs on the
// machine is noise; it makes the answer unclear, or late, rather than wrong.
//
// # Failure
//
// The first error of the Job ends the experiment, and so does the end of the context,
// which the Job gets.
//
// # Platforms
//
// All. Physical cores are told from logical ones on Linux only; elsewhere they are taken
// to be the same.
package tune
