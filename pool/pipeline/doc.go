// Package pipeline joins stages by bounded queues: a source, functions in goroutines,
// functions in the worker processes of a pool, and a write at the end.
//
// # A short tour
//
//   - [New] makes a [Pipeline]. [From] or [FromErr] declares its source, [Go] a stage of
//     goroutines, [Proc] a stage in worker processes; each returns the [Flow] that the
//     next one takes. [Drain] runs the whole, once.
//   - [Hold] gives an array that a function has made to the pipeline.
//   - [Pipeline.Stats] says for each stage how busy it was and how full its queue, and
//     which one is short. Its String is a table.
//
// # Data flow
//
//	From ──▶ queue ──▶ Go: goroutines ──▶ queue ──▶ Proc: tasks of a pool ──▶ queue ──▶ Drain
//	   ▲ gate             ▲ gate                       ▲ gate                  write, on the
//	   └──────────────────┴──── bytes in flight ───────┘                       caller's goroutine
//
// A stage has a goroutine that takes items, past a gate at which it waits while as many
// bytes are in flight as may be (budget.go), one for each item under way, and, in an
// ordered pipeline, one that hands them on in the order of the source, from a window of
// items that are under way or wait for a late one (stage.go). Nothing polls: whoever is
// held up sleeps.
//
// # Lifetimes
//
// The goroutines of a pipeline begin and end within Drain. The arrays that travel in it
// are released by it: see [Pipeline].
//
// # Concurrency
//
// One goroutine declares a pipeline and runs it. Stats and String may be called from any,
// at any time. Several pipelines may use one pool.
//
// # Failure
//
// The first error ends the run and is what Drain returns, a [*StageError] where a stage
// failed over an item: the run's context ends, tasks are cancelled, what is in the queues
// is released. Where Options.SkipErrors is set, items that a stage fails on are left out,
// counted and told of instead. Tasks that are lost with their worker are tried again by the pool first.
//
// # Platforms
//
// Goroutine stages run wherever Go runs, process stages where pools do.
package pipeline
