package shm

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mapAligned maps the first size bytes of f at an address that is a multiple of
// align, without which the kernel maps huge pages as small ones: room for it at
// any address is taken first, and what is too much of it given back.
func mapAligned(f *os.File, size, align int64, prot int) ([]byte, error) {
	n, a := uintptr(roundUp(size, int64(os.Getpagesize()))), uintptr(align)
	base, err := unix.MmapPtr(-1, 0, nil, n+a, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	head := (a - uintptr(base)%a) % a
	at := unsafe.Add(base, head)
	if _, err := unix.MmapPtr(int(f.Fd()), 0, at, n, prot, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
		unix.MunmapPtr(base, n+a)
		return nil, os.NewSyscallError("mmap", err)
	}
	if head > 0 {
		unix.MunmapPtr(base, head)
	}
	if tail := a - head; tail > 0 {
		unix.MunmapPtr(unsafe.Add(at, n), tail)
	}
	return unsafe.Slice((*byte)(at), size), nil
}

// unmapAligned ends what mapAligned returned; the kernel rounds up to a page.
func unmapAligned(mem []byte) error {
	return os.NewSyscallError("munmap", unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(mem)), uintptr(len(mem))))
}
