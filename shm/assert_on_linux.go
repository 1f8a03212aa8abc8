//go:build handoff_assert || race

package shm

import "golang.org/x/sys/unix"

// protectMemory forbids or allows every access to whole pages of a mapping, in
// this process. Where the kernel refuses, say for the number of mappings, a
// mistake goes unseen; nothing else changes.
func protectMemory(mem []byte, allow bool) {
	prot := unix.PROT_NONE
	if allow {
		prot = unix.PROT_READ | unix.PROT_WRITE
	}
	unix.Mprotect(mem, prot)
}
