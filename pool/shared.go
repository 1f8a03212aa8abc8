package pool

import (
	"fmt"
	"reflect"

	"example.com/handoff/pool/internal/codec"
	"example.com/handoff/shm"
)

// A Shared is a value of any type that [Func] takes by value, written into shared memory
// once, for any number of tasks and workers: an argument or a result, by itself or in
// structs, arrays, slices and behind pointers. T itself has no View, Array, Carrier or
// Shared.
//
// A Shared is a value and may be copied; all copies are one. Of a task's argument Get alone
// may be called, until the function returns. What [Share] has returned, and a Shared in a
// result, is its owner's, who calls Release. The zero Shared has a zero T.
type Shared[T any] struct {
	_     [0]T
	block codec.Block
}

// A Sharer is where [Share] puts a value: a [*Pool] or, in a function that it runs, the
// [*Task].
type Sharer interface {
	putShared(p *codec.Plan, l *codec.Large) (codec.Block, error)
}

// Share copies v, with all that it leads to, into shared memory: of a Pool into
// [Pool.Arena], for arguments; of a Task into [Task.Arena], for the task's result, where
// what is not returned is released with the task. This one copy is in Stats.CopiedIn.
//
// v may be changed when Share has returned, and not before: that is an error, or for a map
// ends the process. The memory is held until Release, and past it by tasks that were
// submitted before. A type that cannot be shared is an error, by the path of the field.
// Where there is no room nothing is left behind, and the error wraps [shm.ErrFull], or
// [shm.ErrTooLarge] where it never fits.
func Share[T any](in Sharer, v T) (s Shared[T], err error) {
	defer func() {
		if r := recover(); r != nil { // of v's methods, or a fault in its memory
			err = fmt.Errorf("pool: share %v: panic: %.1000v", reflect.TypeFor[T](), r)
		}
	}()
	plan, err := codec.SharedPlan(reflect.TypeFor[T]())
	var large *codec.Large
	if err == nil {
		large, err = codec.Measure(plan, &v)
	}
	if err == nil {
		s.block, err = in.putShared(plan, large)
	}
	if err != nil {
		return Shared[T]{}, fmt.Errorf("pool: share %v: %w", reflect.TypeFor[T](), err)
	}
	return s, nil
}

// Get is the value. Slices of elements without pointers and the bytes of strings lie in the
// shared memory and are not copied. Other slices, and what pointers lead to, are made once
// for all Gets, in private memory of each process, which [MemoryStats].SharedHeaders counts:
// 10⁶ strings of 6 bytes are a block of 10,000,068 bytes, and 16,056,320 bytes in each
// worker (TestSharedMillionStrings). A worker keeps at most 256 MiB of it from one task to
// the next, and frees it within about a second after the Release. Maps, types with methods to marshal them, interfaces, what contains these, and
// the T itself are made anew by each Get, and are the caller's to change.
//
// In a worker all of it is dead when the function returns, elsewhere after Release; to keep
// a string, clone it. What is not made anew is read-only: a store to it is the task's error
// ([*TaskError]) on the goroutine that the function was called on, and ends the worker on
// another. A caller of a Pool must not store to it either. In assertion builds (the tag
// handoff_assert, and with the race detector) so is a load in a worker after the function
// has returned: of a later task, or the worker's end.
//
// Strings of a result are copies, made once when the result arrives: the worker that has
// made it can still write there. Get may be called from several goroutines. It panics after
// Release, and where the memory has no such value.
func (s Shared[T]) Get() *T {
	v := new(T)
	if err := codec.Read(&s.block, v); err != nil {
		panic(fmt.Errorf("pool: shared %v: %w", reflect.TypeFor[T](), err))
	}
	return v
}

// Release gives the value up: all that Get has returned is dead. The memory is free when no
// submitted task holds it. Releasing twice panics, and so does releasing a task's argument.
func (s Shared[T]) Release() { s.block.Release() }

// String names the memory; it shows no elements.
func (s Shared[T]) String() string {
	return fmt.Sprintf("shared %v: %v", reflect.TypeFor[T](), s.block.OwnedView)
}

func (p *Pool) putShared(plan *codec.Plan, l *codec.Large) (b codec.Block, err error) {
	array, err := writeShared(p.segments.inputs, l)
	if err != nil {
		return b, err
	}
	defer array.Release()
	p.large.copiedIn.Add(l.Bytes())
	return codec.NewBlock(plan, array, &p.large.spines)
}

func (t *Task) putShared(plan *codec.Plan, l *codec.Large) (b codec.Block, err error) {
	array, err := writeShared(t.Arena(), l)
	if err != nil {
		return b, err
	}
	defer array.Release()
	b = codec.NewTaskBlock(plan, array)
	t.call.Shared(&b, l.Bytes())
	return b, nil
}

func writeShared(a *shm.Arena, l *codec.Large) (array shm.Array[byte], err error) {
	array, err = shm.MakeUnzeroed[byte](a, codec.HeaderBytes+int(l.Bytes()))
	if err != nil {
		return array, fmt.Errorf("%d bytes: %w", l.Bytes(), err)
	}
	written := false
	defer func() {
		if !written { // it failed, or panics
			array.Release()
		}
	}()
	err = array.View().Guarded(func(mem []byte) error {
		codec.Mark(mem)
		return l.Write(mem[codec.HeaderBytes:], nil)
	})
	if written = err == nil; written {
		a.CountCopied(l.Bytes())
	}
	return array, err
}
