// Package codec turns the arguments and results of functions into bytes and Refs, and
// back: a [Plan] for each type says how, and is made once, when the function is
// registered.
//
// [Encode] appends a value to a message if it fits, and else returns a [Large], whose exact
// size is known: the caller finds memory for it, and [Large.Write] writes it there. [Decode]
// reads either; both are the same encoding.
//
// # Layout
//
// An encoded value is its fields in order. Both ends run the same binary on one machine, so
// there are no names, no types and no version in it:
//
//	numbers, and arrays and structs of them without padding   their bytes, as they are in memory
//	bool                                                      1 byte, 0 or 1
//	array, struct                                             its elements or fields
//	string                                                    length · bytes…
//	slice of elements without pointers                        length · zeros to align · its memory, padding and all
//	any other slice                                           length · elements…
//	map                                                       length · { key · element }…, see below
//	pointer                                                   0: nil; or 1 · what it leads to
//	by GobEncode or MarshalBinary                             length · what the method returns…
//	interface                                                 0: nil; or 1 · length · a gob stream of its own…
//	shm.View, shm.Array; shm.OwnedView in a result            a shm.WireRef
//	shm.Carrier                                               0 length of meta · 4 number of arrays · 8 meta… · wire refs…
//
// A length has 4 bytes, little-endian: 2³²−1 is nil, and 2³²−2 says that the length follows
// in 8 more bytes.
//
// The memory of a slice begins at a multiple of 8 bytes, from the beginning of the encoding,
// and at a multiple of 64 if it has 4,096 bytes or more: who maps a block that begins at
// a multiple of 64 can use it in place. Bools in it are 0 or 1. A slice without bytes is not
// aligned.
//
// The entries of a map come in another order each time, and must take the same number of
// bytes: where they have slices to align, each begins at a multiple of 8, as does what
// follows the last, and no slice in a map is aligned to more. A map that has what methods
// return, which are called once, is encoded once and kept; it begins at a multiple of 8.
//
// A View is recognised by its exact type: a struct that embeds one is a struct, and
// crosses with all its fields. Types with methods are recognised by these, and a struct that
// embeds a type with such methods beside other fields is a struct too.
//
// # Lifetimes
//
// Who encodes gives a [RefFunc] that makes the wire ref of an array, and who decodes a
// [BindFunc] that binds an array to the memory that a wire ref names. [Encode] keeps no
// pointer into the value, but a Large does, to whatever the value leads to: it must not
// change until it is written. Decode keeps no pointer into the bytes. A BindFunc may keep its
// Binder, which points into the value that is decoded: that value must be on the heap then.
//
// # Failure
//
// Wire refs are made when all else of a value is encoded: an error before leaves nothing
// pinned, and after one of theirs the caller releases what was.
//
// Bytes that are decoded are input from a stranger, and may change meanwhile: they give a
// value or an error that wraps [wire.ErrMalformed], and no more memory than in proportion to
// them. A value's own methods run on a goroutine of their own, and there is no panic and no
// endless loop of theirs that ends or holds up the caller. Those of a few types of the
// standard library are known to return, and run on the caller's. A value that a method
// refuses to decode is an error that wraps [ErrNotReceived], and the rest is decoded.
//
// Neither a value that leads to itself nor any bytes go deeper than [MaxDepth].
// Package gob follows bytes as deep as they lead, until the stack ends and the process with
// it: what an interface holds is looked at before (boundGob).
package codec
