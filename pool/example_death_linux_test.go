package pool_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"slices"

	"example.com/handoff/pool"
)

var crashOn3 = pool.Func("example.crashOn3", func(_ *pool.Task, n int) (int, error) {
	if n == 3 {
		os.Exit(1) // or a fault in C, a stack that is full, a kill for its memory
	}
	return n * n, nil
})

// What becomes of the other tasks when one kills its worker? Nothing: its own error is a
// *WorkerExitError, after as many attempts as Options.Attempts allows.
func ExampleWorkerExitError() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 2, Attempts: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	for item, err := range crashOn3.Map(ctx, p, slices.Values([]int{1, 2, 3, 4})) {
		var died *pool.WorkerExitError
		switch {
		case errors.As(err, &died):
			fmt.Printf("%s: class %s, exit status %d, attempt %d\n", died.Func, died.Class, died.ExitCode, died.Attempt)
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println(item.Value)
		}
	}
	// Output:
	// 1
	// 4
	// example.crashOn3: class exit, exit status 1, attempt 2
	// 16
}

var crashOnce = pool.Func("example.crashOnce", func(t *pool.Task, _ struct{}) (int, error) {
	if t.Attempt() == 1 {
		os.Exit(1)
	}
	return t.Attempt(), nil
})

// Is a task whose worker has died tried again?
func ExampleTask_Attempt() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 1}) // with 3 attempts
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	attempt, err := crashOnce.Call(ctx, p, struct{}{})
	fmt.Println("done in attempt", attempt, err)
	// Output: done in attempt 2 <nil>
}
