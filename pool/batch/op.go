package batch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"example.com/handoff/arrowipc"
	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

// ErrUnknownOp: no operation of that name is registered.
var ErrUnknownOp = errors.New("unknown op")

// An Op is an operation that jobs can name.
type Op struct {
	Name string // as in `handoff run --op NAME`
	Doc  string // one line
	// Start begins one job over the given columns.
	Start func(columns []Column) (Fold, error)
}

// A Column is one numeric column of a job's input.
type Column struct {
	Name  string
	DType shm.DType
}

// A Fold is the state of one job. The engine calls it from one goroutine.
type Fold interface {
	// Submit hands rows of column i, an array in shared memory, to the pool, and
	// returns the function that waits for the partial result, which gives the one that
	// folds it in. Folds are called in the order of the rows, for each column; a
	// partial result may be asked for again, or not be folded at all.
	Submit(ctx context.Context, p *pool.Pool, a *arrowipc.Allocator, i int, rows arrow.Array) (wait func(context.Context) (fold func() error, err error), err error)
	// Result is what the columns for which keep is true gave, as a value for
	// encoding/json. A column that turned out to hold no numbers is not kept.
	Result(keep []bool) (any, error)
}

// The registry of operations is write-once: package-level variables fill it.
var registry struct {
	mu  sync.Mutex
	ops map[string]*Op
}

// Register makes op known and returns it. A name that is taken panics.
func Register(op *Op) *Op {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if registry.ops == nil {
		registry.ops = map[string]*Op{}
	}
	if op.Name == "" || op.Start == nil || registry.ops[op.Name] != nil {
		panic(fmt.Sprintf("batch: op %q is registered twice, or has no name or Start", op.Name))
	}
	registry.ops[op.Name] = op
	return op
}

// Lookup finds an operation. The error wraps [ErrUnknownOp] and names those there are.
func Lookup(name string) (*Op, error) {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if op := registry.ops[name]; op != nil {
		return op, nil
	}
	var names []string
	for n := range registry.ops {
		names = append(names, n)
	}
	slices.Sort(names)
	return nil, fmt.Errorf("%w %.60q: there is %s", ErrUnknownOp, name, strings.Join(names, ", "))
}
