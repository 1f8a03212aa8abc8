package ring

import (
	"sync/atomic"
	"unsafe"
)

// A word is a 32-bit integer in shared memory.
type word struct{ at *atomic.Uint32 }

// wordAt is the word at an offset that is a multiple of 4. The memory is
// aligned (see aligned) and outlives the word.
func wordAt(mem []byte, offset int) word {
	return word{(*atomic.Uint32)(unsafe.Pointer(&mem[offset : offset+4][0]))}
}

// wordIn is the word at an offset, a multiple of 4 below SlotBytes, within a slot.
func wordIn(slot *[SlotBytes]byte, offset uintptr) word {
	return word{(*atomic.Uint32)(unsafe.Add(unsafe.Pointer(slot), offset))}
}

func (w word) load() uint32     { return w.at.Load() }
func (w word) store(n uint32)   { w.at.Store(n) }
func (w word) add(n uint32)     { w.at.Add(n) }
func (w word) or(n uint32)      { w.at.Or(n) }
func (w word) address() uintptr { return uintptr(unsafe.Pointer(w.at)) }

// aligned reports whether mem begins at a cache line.
func aligned(mem []byte) bool {
	return uintptr(unsafe.Pointer(unsafe.SliceData(mem)))%SlotBytes == 0
}
