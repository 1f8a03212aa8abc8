package main

import (
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const hugePage = 2 << 20

// collapse makes size bytes of anonymous shared memory, a multiple of hugePage,
// asks the kernel to put them on huge pages, and returns how many it did. What
// was made is gone when it returns.
func collapse(size int) (got int64, err error) {
	const name = "handoff-doctor-huge"
	fd, err := unix.MemfdCreate(name, unix.MFD_CLOEXEC)
	if err != nil {
		return 0, os.NewSyscallError("memfd_create", err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return 0, os.NewSyscallError("ftruncate", err)
	}
	// A huge page must lie at a multiple of its size: the mapping goes into a
	// larger one that only reserves addresses.
	room, err := unix.Mmap(-1, 0, size+hugePage, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return 0, os.NewSyscallError("mmap", err)
	}
	defer unix.Munmap(room)
	start := -uintptr(unsafe.Pointer(unsafe.SliceData(room))) % hugePage
	at := unsafe.Pointer(unsafe.SliceData(room[start:]))
	if _, err := unix.MmapPtr(fd, 0, at, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
		return 0, os.NewSyscallError("mmap", err)
	}
	mem := unsafe.Slice((*byte)(at), size)
	for i := 0; i < size; i += hugePage {
		// One page in each, or there is nothing to collapse. By write: without
		// room that is an error and not a SIGBUS.
		if _, err := unix.Pwrite(fd, []byte{1}, int64(i)); err != nil {
			return 0, os.NewSyscallError("pwrite", err)
		}
		if e := unix.Madvise(mem[i:i+hugePage], unix.MADV_COLLAPSE); e != nil && err == nil {
			err = os.NewSyscallError("madvise", e)
		}
	}
	return mappedHuge(name), err
}

// mappedHuge is how many bytes of this process's mappings of an anonymous file
// are on huge pages.
func mappedHuge(name string) (bytes int64) {
	b, _ := os.ReadFile("/proc/self/smaps")
	inside := false
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(line, ":")
		if strings.Contains(key, "-") { // a range of addresses: the head of a mapping
			inside = strings.Contains(line, "/memfd:"+name+" ")
		} else if inside && key == "ShmemPmdMapped" {
			n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			bytes += n << 10
		}
	}
	return bytes
}
