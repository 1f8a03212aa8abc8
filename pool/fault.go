package pool

import (
	"fmt"
	"runtime"

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
	for _, a := range args {
		at, ok := offsetIn(a.mem, err.Addr())
		if !ok {
			continue
		}
		n := at / int(a.Ref().DType.Size())
		switch where := element(n, a.Ref().Shape); {
		case a.Writable():
			return fmt.Sprintf("load or store at %s of output %s faulted: the segment was truncated", where, a.field), true
		case readable(a.mem[at:]):
			return fmt.Sprintf("store to %s of input %s: inputs are read-only", where, a.field), true
		default:
			return fmt.Sprintf("load or store at %s of input %s faulted: the segment was truncated", where, a.field), true
		}
	}
	return err.Error(), false
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

// readable tries a load, on a goroutine for which a fault is a panic.
func readable(mem []byte) (ok bool) {
	defer func() { ok = recover() == nil }()
	load(mem)
	return
}

//go:noinline
func load(mem []byte) byte { return mem[0] } // inlined, the load would be left out
