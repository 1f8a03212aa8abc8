package shm

import (
	"fmt"
	"reflect"
	"runtime"
	"runtime/debug"
)

// A FaultError says that bytes of a segment could not be accessed: they were not
// there, or were stored to where they are read-only. It unwraps to [ErrForeign].
// Attaching again says what is left.
type FaultError struct {
	Segment string // segment name
	Offset  int64  // of the byte that was touched, from the segment's start
	Size    int64  // bytes of the segment when it was attached
	// Readable: the byte could be read right after the fault. Either it was stored to
	// through a read-only mapping, or it was gone and is back.
	Readable bool
}

func (e *FaultError) Error() string {
	if e.Readable {
		return fmt.Sprintf("shm: segment %q: a fault at byte %d of %d, which can be read: it was a store to a read-only view, or another process truncated the file and grew it again", e.Segment, e.Offset, e.Size)
	}
	return fmt.Sprintf("shm: segment %q: no memory at byte %d of %d: another process probably truncated its file", e.Segment, e.Offset, e.Size)
}

func (e *FaultError) Unwrap() error { return ErrForeign }

// Guarded calls f with the elements of v and returns its error; where f faults at
// an address within v's segment, it is a [*FaultError]: the elements are, or were,
// gone because another process truncated the segment's file, which would
// otherwise end this process with SIGBUS, or f has stored to v. f has then run
// up to some point within: its deferred calls have run too. For an array, guard
// its View. Anonymous segments need no guard, nobody can truncate them.
//
// It covers loads and copies that f does itself: not those of other goroutines
// that it starts, and not system calls, which return EFAULT. Any other panic, and any
// fault outside of v's segment, go on their way. v stays pinned while f runs; the
// error wraps [ErrReleased] if it was released before.
//
// Guarded may be called from several goroutines. It costs well under a
// microsecond: guard a whole pass over the data, not each element.
func (v View[T]) Guarded(f func(data []T) error) (err error) {
	pin, err := v.Pin()
	if err != nil {
		return err
	}
	defer pin.Release()
	seg := pin.Segment()
	if seg == nil { // no elements
		return f(nil)
	}
	return seg.guarded(func() error { return f(v.Data()) })
}

// guarded calls f and makes an error of a fault within s. The address alone decides:
// by the time that anybody looks again, the file may have been grown again.
func (s *Segment) guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		r := recover()
		if r == nil {
			return
		}
		at, readable, ok := FaultIn(r, s.mem)
		if !ok {
			panic(r)
		}
		err = &FaultError{Segment: s.name, Offset: int64(at), Size: s.Size(), Readable: readable}
	}()
	return f()
}

// FaultIn tells whether v, what was recovered from a panic, is a fault at an
// address within mem: at which byte, and whether that can be read now. Then a store
// has faulted, as a rule: the byte may also have been gone and be back. It is for
// goroutines that have called [debug.SetPanicOnFault].
func FaultIn(v any, mem []byte) (at int, readable, ok bool) {
	e, ok := v.(interface {
		runtime.Error
		Addr() uintptr
	})
	if !ok {
		return 0, false, false
	}
	offset := e.Addr() - reflect.ValueOf(mem).Pointer() // wraps around below mem
	if offset >= uintptr(len(mem)) {
		return 0, false, false
	}
	return int(offset), loads(mem[offset:]), true
}

// loads tries a load.
func loads(mem []byte) (ok bool) {
	defer func() { ok = recover() == nil }()
	load(mem)
	return
}

//go:noinline
func load(mem []byte) byte { return mem[0] } // inlined, the load would be left out
