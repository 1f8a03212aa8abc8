package batch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"

	"example.com/handoff/arrowipc"
	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

// ErrUnknownOp: no operation of that name is registered, or it has no such parameter.
var ErrUnknownOp = errors.New("unknown op")

// An Op is an operation that jobs can name.
type Op struct {
	Name   string // as in `handoff run --op NAME`
	Doc    string // one line
	Params []Param
	// Start begins one job. Its error is one of the parameters or columns.
	Start func(Start) (Plan, error)
}

// A Param is a parameter of an operation, given as in `--op NAME:window=24`.
type Param struct {
	Name, Default, Doc string
	// Check, if set, says what is wrong with a value: "expected 1 to 9 rows".
	Check func(value string) error
}

// A Start is the argument of Op.Start.
type Start struct {
	Columns []Column          // of the input, the numeric ones
	Params  map[string]string // all of them, defaults filled in
}

// A Column is one numeric column of a job's input.
type Column struct {
	Name  string
	DType shm.DType
}

// A Plan is one job of an operation. The engine calls it from one goroutine.
type Plan interface {
	// Passes are what to do with the rows, one pass after the other. Only the last
	// may have an Output.
	Passes() []Pass
	// Result is what a plan without Output gave for the columns for which keep is
	// true, as a value for encoding/json; one that is a [Table] can be CSV as well. A
	// column that turned out to hold no numbers is not kept.
	Result(keep []bool) (any, error)
}

// A Table is a result that is rows and columns as well.
type Table interface {
	Table() (header []string, rows [][]string)
}

// A Pass goes over all rows once: it maps pieces of chunks in workers and merges
// their outcomes in the supervisor.
type Pass struct {
	// Halo rows ahead of it come with each piece, or as many as there are.
	Halo int
	// Whole hands a piece's columns over together, in one call of Map, and not each
	// in a call of its own.
	Whole bool
	// Output is the columns of what the job writes, for a pass that gives rows: one
	// for each of Start.Columns, or any number if Whole. It is nil for a reduction.
	Output []arrow.Field
	// Map hands a piece to the pool and returns what waits for its outcome. It may
	// be asked for the same rows again, cut differently, and its outcome be thrown away.
	Map func(context.Context, Piece) (Pending, error)
	// Merge takes in the partial result of a piece of column i (0 if Whole) of a
	// reduction, in the order of the rows. The bytes may come from the journal of an
	// earlier run. Merge may keep them.
	Merge func(i int, partial []byte) error
}

// A Piece is consecutive rows of a chunk, for one task. It must not be used after Map
// has returned; the pool keeps what a task was given until that ends.
type Piece struct {
	Pool   *pool.Pool
	Alloc  *arrowipc.Allocator // in whose arena the arrays are
	Column int                 // index into Start.Columns; 0 if Pass.Whole
	Rows   []arrow.Array       // of that column, or of all columns if Pass.Whole
	Before []arrow.Array       // the up to Pass.Halo rows ahead of these; nil if there are none
}

// A Pending waits for what a worker makes of a piece.
type Pending func(context.Context) (Outcome, error)

// An Outcome is a task's contribution to the result. The engine takes it over.
type Outcome struct {
	Partial []byte // of a reduction: what Merge takes
	Output  []Out  // of a pass with Output: one column, or all of them if Whole
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
	if op.Name == "" || strings.ContainsAny(op.Name, ":=, ") || op.Start == nil || registry.ops[op.Name] != nil {
		panic(fmt.Sprintf("batch: op %q is registered twice, or has no Start or no name without : = , and blanks", op.Name))
	}
	registry.ops[op.Name] = op
	return op
}

// Ops are the registered operations, by name.
func Ops() []*Op {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	return slices.SortedFunc(maps.Values(registry.ops), func(a, b *Op) int { return strings.Compare(a.Name, b.Name) })
}

// Lookup finds an operation by what a [Job] calls it, NAME or NAME:param=value,…,
// and gives its parameters. The error says what there is or what is expected, and wraps
// [ErrUnknownOp] where there is no such operation or parameter.
func Lookup(spec string) (*Op, map[string]string, error) {
	name, rest, has := strings.Cut(spec, ":")
	registry.mu.Lock()
	op := registry.ops[name]
	registry.mu.Unlock()
	if op == nil {
		var names []string
		for _, o := range Ops() {
			names = append(names, o.Name)
		}
		return nil, nil, fmt.Errorf("%w %.60q: there is %s", ErrUnknownOp, name, strings.Join(names, ", "))
	}
	params, checks := map[string]string{}, map[string]func(string) error{}
	var names []string
	for _, p := range op.Params {
		params[p.Name], checks[p.Name] = p.Default, p.Check
		names = append(names, p.Name)
	}
	if !has {
		return op, params, nil
	}
	given := map[string]bool{}
	for param := range strings.SplitSeq(rest, ",") {
		k, v, ok := strings.Cut(param, "=")
		if _, known := params[k]; !known {
			if names == nil {
				names = []string{"none"}
			}
			return nil, nil, fmt.Errorf("%w parameter %.60q of %s: there is %s", ErrUnknownOp, k, name, strings.Join(names, ", "))
		}
		if !ok || v == "" || given[k] {
			return nil, nil, fmt.Errorf("parameter %.60q of %s: expected %s=VALUE, once", param, name, k)
		}
		if check := checks[k]; check != nil {
			if err := check(v); err != nil {
				return nil, nil, fmt.Errorf("parameter %.60q of %s: %w", param, name, err)
			}
		}
		params[k], given[k] = v, true
	}
	return op, params, nil
}

// canonical is the operation with all its parameters, the same for every way to say it.
func (op *Op) canonical(params map[string]string) string {
	var all []string
	for _, p := range op.Params {
		all = append(all, p.Name+"="+params[p.Name])
	}
	if all == nil {
		return op.Name
	}
	return op.Name + ":" + strings.Join(all, ",")
}
