// Package stat is the statistics of the measurements in this module: in which order
// samples are taken, medians and intervals, comparisons, and how figures are written.
//
// Ways are compared in rounds, as nanobench does since 4.6: each round takes one sample of
// each way, one right after the other, so that a slow moment of the machine meets all
// of them; [Latin] gives the orders of a block of rounds, [Rounds] how many are taken.
// What carries over to another time or machine is the ratio within the round.
// [Compare] is the median of these ratios with an exact interval that holds whatever
// the distribution of the noise ([MedianInterval]), and a verdict: a way is called
// faster only if the whole interval says so.
//
// Intervals are exact for independent rounds. Slow drifts cancel out of a round's
// ratios; what lasts for some rounds and hits one way alone does not.
//
// [PercentilesOf] is for single operations; [Load.TooBusy] says when figures are not worth
// stating; [Resample] draws whole rounds again for what has no formula.
//
// Functions read their arguments and keep none. They may be called at the same
// time; the methods of one Pairs may not.
package stat
