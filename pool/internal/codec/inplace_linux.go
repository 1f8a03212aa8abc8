package codec

import "golang.org/x/sys/unix"

func mapSpine(bytes int) ([]byte, error) {
	return unix.Mmap(-1, 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
}

func protectSpine(mem []byte) error { return unix.Mprotect(mem, unix.PROT_READ) }

// unmapSpine gives the memory back. One that is poisoned keeps its addresses, and every
// access there is a fault.
func unmapSpine(mem []byte, poison bool) {
	if poison {
		unix.Madvise(mem, unix.MADV_DONTNEED)
		unix.Mprotect(mem, unix.PROT_NONE)
		return
	}
	unix.Munmap(mem)
}
