package arrowipc

import (
	"errors"
	"fmt"
	"sync"

	"github.com/apache/arrow/go/v15/arrow/memory"

	"example.com/handoff/shm"
)

// An Allocator gives Arrow memory from an arena. It does not own the arena:
// whoever made it closes it, after the last array was released.
//
// Its methods may be called from several goroutines.
type Allocator struct {
	arena *shm.Arena

	mu       sync.Mutex
	blocks   map[*byte]shm.Array[byte] // by their first byte; handed out and not yet freed
	refused  error                     // the last allocation that failed
	refusals uint64
}

var _ memory.Allocator = (*Allocator)(nil)

// NewAllocator returns an allocator over arena. It takes no memory until it is used.
func NewAllocator(arena *shm.Arena) *Allocator {
	return &Allocator{arena: arena, blocks: map[*byte]shm.Array[byte]{}}
}

// blockBytes is the padding of Arrow's buffers, in bytes, and the size class of the arena.
const blockBytes = 64

// Allocate returns size zeroed bytes that start at a multiple of 64; nil for
// size 0. The slice is dead after Free or Reallocate. An append never runs into
// the next block.
//
// Builders clear what they need cleared and so would do with less, but some
// code of Arrow relies on zeros in the padding of a bitmap, and a reused block
// would show other tasks' data in the padding that IPC writers store.
//
// It panics with an [*AllocError] if the arena is full; [Allocator.NewBuffer]
// returns an error instead.
func (a *Allocator) Allocate(size int) []byte {
	if size < 0 {
		panic(&AllocError{size, errors.New("negative size")})
	}
	b, err := a.take(size, shm.Make[byte])
	if err != nil {
		panic(err)
	}
	return b
}

// Reallocate returns size bytes that begin with those of b, followed by zeros,
// and frees b, however b was cut since it was allocated. It stays in place where
// the block has room, which shrinking always has; otherwise it copies once, from
// arena to arena. It panics with an [*AllocError] if the arena is full, and b is
// still good then.
func (a *Allocator) Reallocate(size int, b []byte) []byte {
	if start(b) == nil {
		return a.Allocate(size)
	}
	if size < 0 {
		panic(&AllocError{size, errors.New("negative size")})
	}
	if size == 0 {
		a.Free(b)
		return nil
	}
	a.mu.Lock()
	block, ours := a.blocks[start(b)]
	a.mu.Unlock()
	if !ours {
		panic(fmt.Sprintf("arrowipc: Reallocate of %d bytes that this allocator has not given out, or freed", len(b)))
	}
	if whole := block.Data(); size <= len(whole) {
		if size > len(b) {
			clear(whole[len(b):size])
		}
		return whole[:size]
	}
	grown, err := a.take(size, shm.MakeUnzeroed[byte])
	if err != nil {
		panic(err)
	}
	n := copy(grown, b)
	a.CountCopied(int64(n))
	clear(grown[n:cap(grown)])
	a.Free(b)
	return grown
}

// Free gives the block that b begins back to the arena, however b was cut since.
// A slice without memory is nothing to free. Freeing twice panics, and so does
// freeing memory from elsewhere.
func (a *Allocator) Free(b []byte) {
	if start(b) == nil {
		return
	}
	a.mu.Lock()
	block, ours := a.blocks[start(b)]
	delete(a.blocks, start(b))
	a.mu.Unlock()
	if !ours {
		panic(fmt.Sprintf("arrowipc: Free of %d bytes that this allocator has not given out, or freed", len(b)))
	}
	block.Release()
}

// NewBuffer returns an Arrow buffer of size bytes in the arena with one
// reference; the block goes back with the last Release. It is for a caller who
// overwrites all of it: a recycled block shows an earlier array's bytes. Only the
// padding behind the size is zeroed. The error is an [*AllocError].
func (a *Allocator) NewBuffer(size int) (*memory.Buffer, error) {
	if size < 0 {
		return nil, &AllocError{size, errors.New("negative size")}
	}
	b, err := a.take(size, shm.MakeUnzeroed[byte])
	if err != nil {
		return nil, err
	}
	clear(b[size:cap(b)])
	return memory.NewBufferWithAllocator(b, a), nil
}

// take is a new block of the arena, as its first size bytes.
func (a *Allocator) take(size int, mk func(*shm.Arena, ...int) (shm.Array[byte], error)) ([]byte, error) {
	if size == 0 {
		return nil, nil
	}
	padded := (size + blockBytes - 1) / blockBytes * blockBytes
	block, err := mk(a.arena, max(padded, size)) // padded wraps only where no arena can follow
	a.mu.Lock()
	defer a.mu.Unlock()
	if err != nil {
		err = &AllocError{size, err}
		a.refused = err
		a.refusals++
		return nil, err
	}
	whole := block.Data()
	a.blocks[start(whole)] = block
	return whole[:size], nil
}

// CountCopied tells the arena what its caller has copied, or read, into blocks:
// [shm.Arena.CountCopied]. Reallocate, CopyArray and Concatenate count themselves.
func (a *Allocator) CountCopied(bytes int64) { a.arena.CountCopied(bytes) }

// Live is the number of blocks handed out and not yet freed. A program that has
// released every array, record and builder sees 0.
func (a *Allocator) Live() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(a.blocks)
}

// Err is the last allocation that failed, an [*AllocError]; nil if none has.
// Arrow's IPC readers turn a panic into an error of plain text: this is the
// error behind it. A later success does not clear it.
func (a *Allocator) Err() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.refused
}

// Contain calls f, which uses the allocator through Arrow, and returns what went
// wrong as an error: f's own, with the [*AllocError] behind it if an allocation
// failed meanwhile, or a panic's. Arrow's own code may leave buffers unreleased
// when it panics. It does not make Arrow's IPC readers safe for files from
// strangers: these can exhaust the process's memory, which is no panic. Package
// files reads such files.
func (a *Allocator) Contain(f func() error) (err error) {
	a.mu.Lock()
	before := a.refusals
	a.mu.Unlock()
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *AllocError:
			err = p
		case error:
			err = fmt.Errorf("arrowipc: panic: %w", p)
		default:
			err = fmt.Errorf("arrowipc: panic: %v", p)
		}
		if known := new(AllocError); err == nil || errors.As(err, &known) {
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.refusals > before {
			err = fmt.Errorf("%w: %w", err, a.refused)
		}
	}()
	return f()
}

// View is b, in place, as a view that can be named in other processes. It
// borrows b's block: it is dead once that was freed. b may be any part of a slice that lies in the allocator's arena; false if it
// does not. A slice without elements is the zero View, and true.
func (a *Allocator) View(b []byte) (shm.View[byte], bool) {
	if len(b) == 0 {
		return shm.View[byte]{}, true
	}
	return a.arena.Find(b)
}
