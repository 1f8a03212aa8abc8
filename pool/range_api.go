package pool

import (
	"context"
	"errors"
	"fmt"

	"example.com/handoff/pool/internal/codec"
	workerside "example.com/handoff/pool/internal/worker"
)

// RangeOptions says how a range is shared out. The zero value and nil work.
type RangeOptions struct {
	// Grain is the fewest indices that are worth a block of their own: some
	// microseconds of work. 0: 1.
	Grain int
	// Quarantine is the most indices that may be left out because they kill their
	// workers. A block whose worker dies is then halved, and so on, until the index
	// that does it stands alone; when it has killed two workers alone it is left out.
	// All others are done, and the error is a [*QuarantineError]. 0: none is left out,
	// and a range ends when the workers of one block have died Options.Attempts times.
	Quarantine int
	// Report, if not nil, is set when the call returns.
	Report *RangeReport
}

// A RangeReport says how a range was done.
type RangeReport struct {
	Blocks int // that the range was cut into; 0 if it was not begun
	// Split is how many of these were not done as a whole, but in parts, because of
	// Options.TaskTimeout or Quarantine. If it is 0, a [ReduceFn.Reduce] has merged
	// what it always merges for this n, grain and number of workers.
	Split int
}

// A PoisonIndex is an index of a range that has killed two workers alone.
type PoisonIndex struct {
	Index int
	Death *WorkerExitError // the last
}

// A QuarantineError says which indices of a range were left out because they kill
// their workers ([RangeOptions].Quarantine). All others are done. Run the range over
// these alone when the function is mended. It unwraps to [ErrWorkerDied].
type QuarantineError struct {
	Func    string
	Indices []PoisonIndex // in order
}

func (e *QuarantineError) Error() string {
	first := e.Indices[0]
	return fmt.Sprintf("%s: left out because they kill their workers: %d of the indices, the first is %d: %v", e.Func, len(e.Indices), first.Index, first.Death)
}

func (e *QuarantineError) Unwrap() error { return ErrWorkerDied }

// A RangeFn is a function over a range of indices that workers share.
type RangeFn[In any] struct{ e *entry }

// RangeFunc registers f under name, as [Func] does. f works on the indices from
// lo up to hi, which is not one of them: a block of the range. It may be called
// again for the same block if its worker dies, so what it stores must not depend
// on what is there. In is decoded once for all blocks that a worker runs: what it leads to
// is not to be changed.
func RangeFunc[In any](name string, f func(t *Task, in In, lo, hi int) error) *RangeFn[In] {
	return &RangeFn[In]{newRange(name, func(t *Task, in In, lo, hi int) (struct{}, error) {
		return struct{}{}, f(t, in, lo, hi)
	})}
}

// ForRange calls the function for all of the indices 0 to n−1, in blocks, in all
// workers at once. The workers take the blocks themselves, large ones first, by a
// counter in shared memory: a block costs no more than that, so that indices of a
// microsecond are worth it. Between two blocks a worker makes way for what waits
// in its lane. It returns when all blocks are done, or, with the
// first error of one, when no worker runs one any more, or when ctx ends: then
// running blocks finish unobserved and keep what `in` names pinned until they do.
// Each index is done once; one whose worker died is done again by another, up to
// Options.Attempts times. [Task.Context] ends with ctx and with the first error.
// The error is the function's own ([*TaskError]), a [*WorkerExitError], [ErrClosed]
// or ctx's. It may be called from several goroutines; of more than 63 ranges at
// once the rest waits.
func (f *RangeFn[In]) ForRange(ctx context.Context, p *Pool, in In, n int, opts *RangeOptions) error {
	_, large, err := runRange(ctx, p, f.e, &in, n, opts)
	release(large)
	return err
}

// A ReduceFn is a function over a range of indices with a result.
type ReduceFn[In, Out any] struct {
	e     *entry
	merge func(a, b Out) Out
}

// ReduceFunc registers f under name, as [RangeFunc] does. Its results, which have
// no OwnedViews, are merged in this process.
func ReduceFunc[In, Out any](name string, f func(t *Task, in In, lo, hi int) (Out, error), merge func(a, b Out) Out) *ReduceFn[In, Out] {
	return &ReduceFn[In, Out]{newRange(name, f), merge}
}

// Reduce is ForRange with a result: those of the blocks, merged in the order of
// the indices, whoever was done first. The blocks are the same for the same n,
// grain and number of workers, and so is the result, to the last bit, unless some were
// split: by RangeOptions.Quarantine, or because they took longer than
// Options.TaskTimeout twice. RangeOptions.Report says how many were. It is the zero value if n is 0. With a
// [*QuarantineError] it is the result of all others.
func (f *ReduceFn[In, Out]) Reduce(ctx context.Context, p *Pool, in In, n int, opts *RangeOptions) (total Out, err error) {
	parts, large, err := runRange(ctx, p, f.e, &in, n, opts)
	defer func() { release(large) }()
	var left *QuarantineError
	if err != nil && !errors.As(err, &left) {
		return total, err
	}
	for i, part := range parts {
		var v Out
		decode := func(b []byte) error { return codec.Decode(f.e.out, b, &v, nil) }
		var err error
		if large, ok := part.(*largeResult); ok {
			err = large.decode(decode)
		} else {
			b, _ := part.([]byte) // none of an empty result
			err = recovered(func() error { return decode(b) })
		}
		if err != nil {
			var none Out
			return none, fmt.Errorf("pool: result of %s: %w", f.e.name, err)
		}
		if i == 0 {
			total = v
		} else {
			total = f.merge(total, v)
		}
	}
	return total, err
}

func newRange[In, Out any](name string, f func(*Task, In, int, int) (Out, error)) *entry {
	e := entryOf[In, Out](name, func(e *entry) {
		if e.out.Arrays() {
			panic(fmt.Sprintf("pool: function %q: result %v: a View is not possible in the result of a range: store to an Array argument", name, e.res))
		}
		e.worker.Keeps = !e.in.Arrays()
	})
	e.worker.RangeRunner = func(c *workerside.Call) func(args []byte) (workerside.Body, error) {
		e.compile()
		in, out, t, bind := e.in, e.out, &Task{c}, c.Bind
		return func(args []byte) (workerside.Body, error) {
			a := new(In)
			if err := codec.Decode(in, args, a, bind); err != nil {
				return nil, fmt.Errorf("arguments: %w", err)
			}
			c.Decoded(args)
			return func(lo, hi int, dst []byte) ([]byte, error) {
				v, err := f(t, *a, lo, hi)
				if err != nil {
					return dst, err
				}
				return encodeResult(c, out, dst, &v, nil)
			}, nil
		}
	}
	register(e)
	return e
}
