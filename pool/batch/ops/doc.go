// Package ops is the operations of `handoff run`. Importing it registers them
// with package batch.
//
//   - describe: count, nulls, mean, standard deviation, minimum and maximum of
//     every numeric column. Its sums are exact (see internal/exact), so the
//     result is the same to the last bit however the rows are cut and whoever
//     adds them up.
//   - zscore: every value as its distance from its column's mean in standard
//     deviations, both of them describe's.
//   - rolling: mean or median of the window of rows that ends with each row. It takes
//     window and stat: rolling:window=7,stat=median. A window's rows come from earlier
//     chunks and files too, and it is computed from them alone.
//
// The values of zscore and rolling are the same to the last bit whatever the chunks,
// workers and isolation, and so is what they write as CSV. In an Arrow file the record
// batches are the chunks.
//
// An operation registers its worker functions with package pool in
// package-level variables: they must exist in the worker too, which is the same
// program.
package ops
