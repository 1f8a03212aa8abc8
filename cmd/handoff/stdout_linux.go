package main

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

var errStdoutClosed = errors.New("standard output is closed (or is /dev/null opened for reading and writing, which looks the same): use >/dev/null to throw the result away")

// A closedStdout takes the place of a standard output that was closed: what would be
// written there is an error and not lost.
type closedStdout struct{}

func (closedStdout) Write([]byte) (int, error) { return 0, errStdoutClosed }

// standardOutput is os.Stdout, or a writer that fails where the process was started
// with descriptor 1 closed. Go's runtime then opens /dev/null there, for reading and
// writing (runtime.checkfds). A parent that does so itself on purpose usually gives the
// same open file to descriptor 0 or 2 as well, as daemon(3) does; that is left alone.
func standardOutput() io.Writer {
	var st, null unix.Stat_t
	if unix.Fstat(1, &st) != nil || unix.Stat(os.DevNull, &null) != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != null.Rdev {
		return os.Stdout
	}
	flags, err := unix.FcntlInt(1, unix.F_GETFL, 0)
	if err != nil || flags&unix.O_ACCMODE != unix.O_RDWR || sameOpenFile(1, 0, flags) || sameOpenFile(1, 2, flags) {
		return os.Stdout
	}
	return closedStdout{}
}

// sameOpenFile reports whether two descriptors of /dev/null share their open file, by a
// status flag that such descriptors have in common and that means nothing there.
func sameOpenFile(a, b uintptr, flags int) bool {
	before, err := unix.FcntlInt(b, unix.F_GETFL, 0)
	if err != nil || before != flags {
		return false
	}
	if _, err := unix.FcntlInt(a, unix.F_SETFL, flags^unix.O_APPEND); err != nil {
		return false
	}
	defer unix.FcntlInt(a, unix.F_SETFL, flags)
	after, err := unix.FcntlInt(b, unix.F_GETFL, 0)
	return err == nil && after != before
}
