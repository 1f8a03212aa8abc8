package shm

import (
	"os"

	mmap "github.com/edsrzf/mmap-go"
)

// mapFile maps the first size bytes of f.
func mapFile(f *os.File, size int64, mode Mode) (mapping, error) {
	prot := mmap.RDONLY
	if mode == ReadWrite {
		prot = mmap.RDWR
	}
	m, err := mmap.MapRegion(f, int(size), prot, 0, 0)
	return mapping{m}, os.NewSyscallError("mmap", err)
}

func (m mapping) unmap() error {
	b := mmap.MMap(m.mem)
	return os.NewSyscallError("munmap", b.Unmap())
}
