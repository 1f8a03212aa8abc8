// Package ops is the operations of `handoff run`. Importing it registers them
// with package batch.
//
//   - describe: count, nulls, mean, standard deviation, minimum and maximum of
//     every numeric column. Its sums are exact (see internal/exact), so the
//     result is the same to the last bit however the rows are cut and whoever
//     adds them up.
//
// An operation registers its worker functions with package pool in
// package-level variables: they must exist in the worker too, which is the same
// program.
package ops
