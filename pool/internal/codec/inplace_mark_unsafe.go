package codec

import (
	"math/rand/v2"
	"runtime/debug"
	"sync/atomic"
	"unsafe"
)

// HeaderBytes come before the encoding in the memory of a Block, so that both are aligned.
// The first 8 are its mark, a random number that is not 0; the rest is not used.
const HeaderBytes = alignWide

// Mark writes the header of a Block to the start of its memory.
func Mark(mem []byte) { markIn(mem).at.Store(rand.Uint64() | 1) }

// A mark is that of a Block. It is 0, or another, once the memory is free: so whoever has
// that mapped knows, without being told, that what was made of the Block is of no use.
type mark struct{ at *atomic.Uint64 }

// markIn is that in the memory of a Block. Another process may have truncated its file.
func markIn(mem []byte) mark {
	if len(mem) < HeaderBytes {
		return mark{}
	}
	return mark{(*atomic.Uint64)(unsafe.Pointer(&mem[0]))}
}

// load is the mark, or 0 where there is no memory any more.
func (m mark) load() (value uint64) {
	m.guarded(func(at *atomic.Uint64) { value = at.Load() })
	return value
}

func (m mark) clear() { m.guarded(func(at *atomic.Uint64) { at.Store(0) }) }

// guarded calls f, which may fault.
func (m mark) guarded(f func(at *atomic.Uint64)) {
	if m.at == nil {
		return
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { recover() }()
	f(m.at)
}
