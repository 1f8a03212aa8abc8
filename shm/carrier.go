package shm

// A Carrier is a value that is not of fixed size and still crosses to another
// process without a copy of its arrays: a table with any number of columns, say. T
// crosses if *T is a Carrier. What describes the arrays, the meta bytes, is
// copied, and should be small; the arrays cross as Refs, of 32 bytes for one dimension.
//
// A Carrier in a result needs a third method, Release, as an [OwnedView] has.
//
// The methods must be T's own: a struct that embeds a Carrier, or one of its methods,
// beside other fields is taken for a struct, since what is promoted knows nothing of the
// other fields.
//
// The methods are called by whoever hands the value over, a pool mostly, on a copy
// of it, and not at the same time. They must not wait for anything, nor use the pool:
// others' results wait for them.
type Carrier interface {
	// Carry appends the meta bytes to meta, and returns them and the arrays, at most
	// MaxCarried: each a *View[E] in an argument, and a *OwnedView[E] that the value
	// still owns in a result. The other process gets them in this order.
	Carry(meta []byte) (_ []byte, arrays []Binder, err error)
	// Receive makes the zero value what Carry has described, in another process.
	// The arrays are new ones of the same types, shapes and bytes: *View[E] in a task,
	// which live until its function returns, *OwnedView[E] in a result, where the
	// value's Release is to release each one. The bytes of
	// meta are dead when Receive returns. Both are input from a stranger: look at
	// how many arrays there are, of which types and shapes, before they are used.
	// After an error the value is not used, and the arrays are dead.
	Receive(meta []byte, arrays []Binder) error
}

// MaxCarried is the most arrays of one Carrier.
const MaxCarried = 1024
