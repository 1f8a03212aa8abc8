package ring

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

func getcpu() (cpu, node uint32, err error) {
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), uintptr(unsafe.Pointer(&node)), 0); errno != 0 {
		err = errno
	}
	return cpu, node, err
}
