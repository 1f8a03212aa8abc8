package outfile

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// openNameless opens a file in a folder that no name leads to, if it can get one later.
func openNameless(dir string) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDWR|unix.O_TMPFILE, 0o666)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(ownPath(f)); err != nil { // there is no /proc here
		f.Close()
		return nil, err
	}
	return f, nil
}

// link gives it a name that is not taken.
func link(f *os.File, name string) error {
	err := unix.Linkat(unix.AT_FDCWD, ownPath(f), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &os.LinkError{Op: "linkat", Old: ownPath(f), New: name, Err: err}
	}
	return nil
}

func ownPath(f *os.File) string { return fmt.Sprintf("/proc/self/fd/%d", f.Fd()) }

// lock takes the lock that says that f has a living writer. It is false only if
// another process has it: where there are no locks nobody removes anything.
func lock(f *os.File) bool {
	return !errors.Is(unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB), unix.EWOULDBLOCK)
}

// removeLeftover removes a hidden file that nobody has locked.
func removeLeftover(name string) {
	const flags = unix.O_NOFOLLOW | unix.O_NONBLOCK
	f, err := os.OpenFile(name, os.O_RDWR|flags, 0)
	if errors.Is(err, os.ErrPermission) {
		f, err = os.OpenFile(name, os.O_RDONLY|flags, 0)
	}
	if err != nil {
		return
	}
	defer f.Close()
	if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil && hasName(f, name) {
		_ = os.Remove(name)
	}
}
