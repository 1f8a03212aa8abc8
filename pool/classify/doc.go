// Package classify measures on this machine whether a piece of work waits or computes,
// and says where it belongs, in a goroutine or in a worker process, and at what price.
//
//   - [Func] measures a function, [Call] one with an argument, [Fn] a function that is
//     registered with package pool, [Command] a program.
//   - A [Verdict] has the [Workload], the [Route], the figures, and the reasons in words.
//   - Prices, the rule of the 15 %, and which way to a process is the cheapest are from package
//     bench/cost; package bench measures the costs.
//
// A piece of work is io, mixed or cpu by its CPU time divided by its wall time on a
// machine where a core is free whenever one is asked for: what it was ready to run and had
// no core is left out. The route is an answer of its own: what waits belongs in goroutines,
// and so does what computes in Go; to processes goes what may crash, is not Go, or needs a
// kill switch or a ceiling of memory.
//
// # Lifetimes
//
// Nothing that a call is given is kept, but by a function that ignores the end of its
// context: it runs on, and so does what it uses.
//
// # Concurrency
//
// Calls may overlap, but disturb each other's figures.
//
// # Failure
//
// A measurement that would say nothing is [ErrTooShort]. What the work itself fails with
// is returned, wrapped.
//
// # Platforms
//
// Linux; elsewhere every call returns errors.ErrUnsupported.
package classify
