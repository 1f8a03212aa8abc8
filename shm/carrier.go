package shm

import "fmt"

// A Carrier is a value that is not of fixed size and still crosses to another
// process without a copy of its arrays: a table with any number of columns, say. T
// crosses if *T is a Carrier. What describes the arrays, the meta bytes, is
// copied, and should be small; the arrays cross as Refs, of 32 bytes for one dimension.
// A pool's message has 4096 bytes for all of it: some 120 arrays.
//
// The methods must be T's own: a struct that embeds a Carrier, or one of its methods,
// beside other fields is taken for a struct, since what is promoted knows nothing of the
// other fields.
//
// The methods are called by whoever hands the value over, a pool mostly, on a copy
// of it, and not at the same time. They must not wait for anything, nor use the pool:
// others' results wait for them.
type Carrier interface {
	// Carry appends the meta bytes to meta, and returns them and the arrays: each a
	// *View[E] that the value still owns, at most MaxCarried. The other process gets
	// them in this order.
	Carry(meta []byte) (_ []byte, arrays []Binder, err error)
	// Receive makes the zero value what Carry has described, in another process.
	// The arrays are new *View[E] of the same element types, shapes and bytes, and
	// live as long as other Views that came with them: in a task until its function
	// returns, in a result until whoever got it has released each one. The bytes of
	// meta are dead when Receive returns. Both are input from a stranger: look at
	// how many arrays there are, of which types and shapes, before they are used.
	// After an error the value is not used, and the arrays are dead.
	Receive(meta []byte, arrays []Binder) error
}

// MaxCarried is the most arrays of one Carrier.
const MaxCarried = 1024

// NewView is a new, zero *View of the given element type. The error names a dtype
// that is none.
func NewView(dtype DType) (Binder, error) {
	switch dtype {
	case Bool:
		return new(View[bool]), nil
	case Int8:
		return new(View[int8]), nil
	case Int16:
		return new(View[int16]), nil
	case Int32:
		return new(View[int32]), nil
	case Int64:
		return new(View[int64]), nil
	case Uint8:
		return new(View[uint8]), nil
	case Uint16:
		return new(View[uint16]), nil
	case Uint32:
		return new(View[uint32]), nil
	case Uint64:
		return new(View[uint64]), nil
	case Float32:
		return new(View[float32]), nil
	case Float64:
		return new(View[float64]), nil
	case Complex64:
		return new(View[complex64]), nil
	case Complex128:
		return new(View[complex128]), nil
	}
	return nil, fmt.Errorf("shm: %v is not the type of any element", dtype)
}
