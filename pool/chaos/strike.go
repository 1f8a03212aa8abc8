package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"example.com/handoff/pool"
)

// A strikeInput is the argument of the task that harms its worker.
type strikeInput struct {
	Fault      string
	Supervisor int64 // its pid
}

// strike harms the worker that runs it, at its first attempt. The result is the
// number of the attempt: with 2 and more, a worker has died of it.
var strike = pool.Func("chaos.strike", func(t *pool.Task, in strikeInput) (int64, error) {
	if t.Attempt() > 1 {
		return int64(t.Attempt()), nil
	}
	if int64(os.Getpid()) == in.Supervisor || int64(os.Getppid()) != in.Supervisor {
		return 0, errors.New("this is no worker process of the pool")
	}
	var err error
	switch Fault(in.Fault) {
	case Exit0:
		os.Exit(0)
	case Exit1:
		os.Exit(1)
	case Garbage:
		if err = writeGarbage(); err == nil {
			time.Sleep(killTimeout)
		}
	case Memory:
		var limit int64
		if limit, err = memoryLimit(); err == nil {
			err = grow(t.Context(), limit+slack)
		}
	}
	if err == nil {
		err = fmt.Errorf("the worker has lived through %s", in.Fault)
	}
	return 0, err
})

// killTimeout is how long a worker waits to be killed for what it did. After it, the
// task reports that nobody has killed it.
const killTimeout = 10 * time.Second

const (
	heapStep = 4 << 20
	// slack is for what a limit is not exact about: the pool adds 64 MiB to one
	// that is not of a cgroup, and Go's heap grows by as much at a time.
	slack = 128 << 20
)

// grow takes memory, and uses it, until the worker dies of it or has most.
func grow(ctx context.Context, most int64) error {
	var heap [][]byte
	for size := int64(0); size < most; size += heapStep {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := make([]byte, heapStep)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		heap = append(heap, b)
	}
	return fmt.Errorf("the worker lives on with a heap of %d bytes", len(heap)*heapStep)
}
