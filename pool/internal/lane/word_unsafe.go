package lane

import (
	"sync/atomic"
	"unsafe"
)

// word32 and word64 are words of shared memory, at an offset that is a multiple
// of their size in memory that begins at a cache line.
func word32(mem []byte, at int) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Pointer(&mem[at : at+4][0]))
}

func word64(mem []byte, at int) *atomic.Uint64 {
	return (*atomic.Uint64)(unsafe.Pointer(&mem[at : at+8][0]))
}

func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }
