package pool

import (
	"context"
	"fmt"
	"os"

	"example.com/handoff/pool/internal/wire"
	workerside "example.com/handoff/pool/internal/worker"
)

func isWorker() bool { return os.Getenv(wire.WorkerEnv) != "" }

// Main turns a process that a pool started into a worker and does not return
// there; everywhere else it returns at once. Call it first thing in main, and in
// TestMain: what runs before it runs in every worker too, and what comes after it
// does not. A worker has no arguments (os.Args is the program's name alone) and
// none of the program's variables: flags and settings reach a task in its input.
func Main() {
	v := os.Getenv(wire.WorkerEnv)
	if v == "" {
		return
	}
	os.Unsetenv(wire.WorkerEnv) // the task's own children are no workers
	table := newTable()
	inits := func() error { return runInit(context.Background()) }
	teardowns := func() []error { return runTeardown(context.Background(), 0) }
	if err := workerside.Run(v, table.workerFuncs(), table.hash, inits, teardowns); err != nil {
		fmt.Fprintln(os.Stderr, wire.StderrPrefix+err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}
