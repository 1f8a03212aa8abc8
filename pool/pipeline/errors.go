package pipeline

import (
	"fmt"
	"runtime/debug"
)

// A StageError is what ended a pipeline: what a stage returned for an item, or how it
// broke down over it. It unwraps to Err.
type StageError struct {
	Stage string // its name; "source" and "write" are those of From and Drain
	Item  int64  // the number of the item in the source, from 0
	// Err is the function's own error, a [*PanicError], or of a process stage what
	// [pool.Future.Wait] gives.
	Err error
}

func (e *StageError) Error() string {
	return fmt.Sprintf("pipeline: stage %q, item %d: %v", e.Stage, e.Item, e.Err)
}

func (e *StageError) Unwrap() error { return e.Err }

// A PanicError is a function of a goroutine stage, the source or write that did not
// return. It unwraps to Value if that is an error.
type PanicError struct {
	Value any    // what it panicked with; nil: it called runtime.Goexit
	Stack string // of its goroutine
}

func (e *PanicError) Error() string {
	if e.Value == nil {
		return "the function called runtime.Goexit"
	}
	return fmt.Sprintf("panic: %.1000v", e.Value)
}

func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// broken is the error of a function that did not return: v is what recover gave.
func broken(v any) error { return &PanicError{v, string(debug.Stack())} }
