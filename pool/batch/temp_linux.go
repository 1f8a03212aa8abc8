package batch

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"example.com/handoff/pool/journal"
)

// openNameless opens a file that no folder names.
func openNameless(dir string) (*os.File, error) {
	return os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o666)
}

// linkNameless gives it a name that is not taken.
func linkNameless(f journal.File, name string) error {
	return unix.Linkat(unix.AT_FDCWD, fmt.Sprintf("/proc/self/fd/%d", f.(*os.File).Fd()), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
}
