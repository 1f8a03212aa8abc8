package worker

import (
	"fmt"
	"runtime"

	"example.com/handoff/pool/internal/codec"
	"example.com/handoff/shm"
)

// fault looks at the value of a panic. Its text is "" if that is no fault at an
// address; known says that the address lies in an argument, which it then names.
// It works for the goroutine that runs the task: a fault in one that the function
// started ends the worker, as does one that only a signal tells of (in C).
func fault(v any, args []argument) (text string, known bool) {
	err, ok := v.(interface {
		runtime.Error
		Addr() uintptr
	})
	if !ok {
		return "", false
	}
	var hit *argument // of arguments that overlap, the smallest: it says most
	at, store := 0, false
	for i, a := range args {
		for _, mem := range a.memories() {
			if offset, readable, ok := shm.FaultIn(v, mem); ok && (hit == nil || len(a.memory) < len(hit.memory)) {
				hit, at, store = &args[i], offset, readable
			}
		}
	}
	if hit == nil {
		return err.Error(), false
	}
	if _, ok := hit.Binder.(*codec.Block); ok {
		if store {
			return fmt.Sprintf("store to shared input %s: it is read-only", hit.field), true
		}
		return fmt.Sprintf("load or store in shared input %s faulted: the segment was truncated", hit.field), true
	}
	n := at / int(hit.Ref().DType.Size())
	switch where := element(n, hit.Ref().Shape); {
	case shm.KindOf(hit.Binder) == shm.KindArray:
		return fmt.Sprintf("load or store at %s of output %s faulted: the segment was truncated", where, hit.field), true
	case store:
		return fmt.Sprintf("store to %s of input %s: inputs are read-only", where, hit.field), true
	default:
		return fmt.Sprintf("load or store at %s of input %s faulted: the segment was truncated", where, hit.field), true
	}
}

// element names element n of an array, also by its index in each dimension.
func element(n int, shape shm.Shape) string {
	if shape.Rank() < 2 {
		return fmt.Sprintf("element %d", n)
	}
	index, rest := make([]int, shape.Rank()), n
	for i := len(index) - 1; i >= 0; i-- {
		index[i] = rest % shape.Dim(i)
		rest /= shape.Dim(i)
	}
	return fmt.Sprintf("element %d, at %v,", n, index)
}
