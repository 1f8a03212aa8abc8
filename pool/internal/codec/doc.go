// Package codec turns the arguments and results of functions into bytes and Refs, and
// back: a [Plan] for each type says how, and is made once, when the function is
// registered.
//
// # Layout
//
// An encoded value is its fields in order, without padding. Both ends run the same
// binary, so there are no names, no types and no version in it:
//
//	numbers, and arrays and structs of them without padding   their bytes, as they are in memory
//	bool                                                      1 byte, 0 or 1
//	string                                                    0 length · 4 bytes…
//	shm.View, shm.Array; shm.OwnedView in a result            a shm.WireRef
//	shm.Carrier                                               0 length of meta · 4 number of arrays · 8 meta… · wire refs…
//
// Lengths and numbers have 4 bytes, little-endian. All of it is at most [wire.MaxInline] bytes.
//
// A View is recognised by its exact type: a struct that embeds one is a struct, and
// crosses with all its fields. A Carrier is recognised by its methods, and a struct that
// embeds a type with such methods beside other fields is a struct too.
//
// # Lifetimes
//
// Who encodes gives a [RefFunc] that makes the wire ref of an array, and who decodes a
// [BindFunc] that binds an array to the memory that a wire ref names. [Encode] keeps no
// pointer into the value. A BindFunc may keep its Binder, which points into the value that
// is decoded: that value must be on the heap then.
//
// # Failure
//
// Bytes that are decoded are input from a stranger: they give a value or an error that
// wraps [wire.ErrMalformed]. A Carrier's methods run on a goroutine of their own, and
// there is no panic and no endless loop of theirs that ends or holds up the caller.
package codec
