// Package worker is the worker's side of a pool: it attaches what the supervisor shares,
// runs tasks and answers them. It knows nothing of the supervisor but what both ends
// know: the packages wire, lane and codec, and how a range is cut (rangejob).
//
// # The life of a worker
//
//	start     a process: [Program.Run] takes over what it has inherited and runs the Inits; goroutines: [Serve] alone
//	hello     Serve says who it is, over its link
//	tasks     loop takes records from the lane, runs them, and puts their results into it
//	drain     a message: no more tasks come. When the lane is empty the Teardowns run
//	end       the runner closes the link, or the supervisor does; every context ends, and Serve returns
//
// It ends early when the supervisor is gone, when a message or its lane is not what a
// supervisor writes, and, a process, at a fault that is nobody's.
//
// # Goroutines
//
//   - The one that calls Serve reads messages (inbox.go): segments that come and go,
//     memory that is free again, a task to cancel, drain.
//   - The runner (runner.go, range.go) does all else. A function that ends it with
//     runtime.Goexit is answered for, and another goroutine goes on as the runner.
//
// The runner never waits for the other, but for a segment that a task needs (segments.go)
// or memory that its function asks for (results.go). These two, and the running task's
// context in its [Call] (call.go), have locks of their own; of the rest of what both use
// each word is atomic and has one writer, see the struct worker.
//
// What a function has started and left behind may use its Call later: it sees the Call of
// whatever runs then, and memory that is gone.
//
// # Steps
//
// Built with the tag handoff_fault, a worker comes to harm at a step of its life that its
// environment names: see step_on_linux.go.
package worker
