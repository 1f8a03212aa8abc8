package codec

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

func mapSpine(bytes int) ([]byte, error) {
	at, err := unix.MmapPtr(-1, 0, nil, uintptr(bytes), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(at), bytes), nil
}

func protectSpine(mem []byte) error { return unix.Mprotect(mem, unix.PROT_READ) }

// mapAgain maps the pages under block, which are shared memory, once more, and returns that
// mapping and the block in it.
func mapAgain(block []byte) (pages, again []byte, err error) {
	start := unsafe.Pointer(unsafe.SliceData(block))
	before := int(uintptr(start) % uintptr(os.Getpagesize()))
	bytes := before + len(block)
	// Of no bytes of the old mapping: this makes a new one, and leaves the old.
	at, err := unix.MremapPtr(unsafe.Add(start, -before), 0, nil, uintptr(bytes), unix.MREMAP_MAYMOVE)
	if err != nil {
		return nil, nil, os.NewSyscallError("mremap", err)
	}
	pages = unsafe.Slice((*byte)(at), bytes)
	return pages, pages[before:], nil
}

// unmap gives memory back. What is poisoned keeps its addresses, and every access there is
// a fault.
func unmap(mem []byte, poison bool) {
	at, bytes := unsafe.Pointer(unsafe.SliceData(mem)), uintptr(len(mem))
	if poison {
		const flags = unix.MAP_PRIVATE | unix.MAP_ANON | unix.MAP_NORESERVE | unix.MAP_FIXED
		if _, err := unix.MmapPtr(-1, 0, at, bytes, unix.PROT_NONE, flags); err == nil {
			return
		}
	}
	unix.MunmapPtr(at, bytes)
}
