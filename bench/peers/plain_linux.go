package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// plainFile is what a program makes that knows nothing of huge pages: a file in
// /dev/shm, without a name, sized and not reserved.
func plainFile(bytes int64) (*os.File, error) {
	fd, err := unix.Open("/dev/shm", unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, os.NewSyscallError("open", err)
	}
	f := os.NewFile(uintptr(fd), "a file in /dev/shm")
	if err := f.Truncate(bytes); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func mapFile(f *os.File, bytes int) ([]byte, error) {
	mem, err := unix.Mmap(int(f.Fd()), 0, bytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return mem, os.NewSyscallError("mmap", err)
}

func unmap(mem []byte) error { return os.NewSyscallError("munmap", unix.Munmap(mem)) }
