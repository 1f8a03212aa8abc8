package pool

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"example.com/handoff/pool/internal/hook"
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
	program := workerside.Program{
		Funcs: table.workerFuncs(), Registry: table.hash, Sentinels: sentinelsIn,
		Init:     func() error { return runInit(context.Background()) },
		Teardown: func() []error { return runTeardown(context.Background(), 0) },
	}
	if err := program.Run(v); err != nil {
		fmt.Fprintln(os.Stderr, wire.StderrPrefix+err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

// initHooks are what workers do beside tasks, in the order of registration.
var initHooks struct {
	mu       sync.Mutex
	names    map[string]bool
	init     []initHook
	teardown []initHook
}

type initHook struct {
	name string
	f    func() error
}

func addHook(list *[]initHook, kind, name string, f func() error) struct{} {
	initHooks.mu.Lock()
	defer initHooks.mu.Unlock()
	if initHooks.names == nil {
		initHooks.names = map[string]bool{}
	}
	if name == "" || f == nil || initHooks.names[kind+name] {
		panic(fmt.Sprintf("pool: %s %q is registered twice, or has no name or function", kind, name))
	}
	initHooks.names[kind+name] = true
	*list = append(*list, initHook{name, f})
	return struct{}{}
}

// Init registers what each worker process does before its first task: what must
// not come from the supervisor, such as connections, handles and caches, is opened
// here. Call it in a package-level variable:
//
//	var _ = pool.Init("database", func() (err error) { db, err = sql.Open(…); return err })
//
// Inits run in the order in which they were registered, each time that a worker
// starts, within Options.Timeouts.Start. An error or panic ends the worker. Where none
// is left, five starts in a row that fail end the pool, whose tasks fail with that
// error: that takes some milliseconds, so what may come back, a database say, is
// tried again in here.
// With Isolation = Goroutine they run once for each pool, in this process, and one that
// takes longer is left behind.
func Init(name string, f func() error) struct{} { return addHook(&initHooks.init, "Init", name, f) }

// Teardown registers what each worker process does after its last task, when it
// ends in order: at Close, and when it is retired. A worker that dies does not come to
// it. Close waits for it as for a task, for Options.Timeouts.Close. An error is
// written to standard error, and Options.Logger hears of it. Teardowns run in the reverse order of their
// registration.
func Teardown(name string, f func() error) struct{} {
	return addHook(&initHooks.teardown, "Teardown", name, f)
}

// runInit runs all Inits. One that has not returned when ctx ends is left behind.
func runInit(ctx context.Context) error {
	initHooks.mu.Lock()
	list := initHooks.init
	initHooks.mu.Unlock()
	for _, h := range list {
		if err := hook.Contain(ctx, 0, h.f); err != nil {
			return fmt.Errorf("Init %q: %w", h.name, err)
		}
	}
	return nil
}

// runTeardown runs all Teardowns, also after one has failed. One that has not returned
// when ctx ends, or takes longer than longest, if that is not 0, is left behind.
func runTeardown(ctx context.Context, longest time.Duration) (errs []error) {
	initHooks.mu.Lock()
	list := initHooks.teardown
	initHooks.mu.Unlock()
	for i := len(list) - 1; i >= 0; i-- {
		if err := hook.Contain(ctx, longest, list[i].f); err != nil {
			errs = append(errs, fmt.Errorf("Teardown %q: %w", list[i].name, err))
		}
	}
	return errs
}
