// Package stat is the statistics of the measurements in this module: samples taken
// in pairs, their medians and intervals, and how figures are written.
//
// Two ways are compared by pairs. One sample of each is taken, one right after the
// other ([Pairs.Take]), so that a slow moment of the machine meets both; the ratio
// within the pair is what carries over to another time or machine. [Pairs.Ratio] is
// the ratio of all pairs with an interval that holds whatever the distribution of
// the noise, as long as it is symmetric about its centre ([SignedRank]).
//
// Functions read their arguments and keep none. They may be called at the same
// time; the methods of one Pairs may not.
package stat
