package shm

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// atStep does nothing. Tests, in processes of their own, stop or kill the
// process in it at a named point that no other process can see from outside.
var atStep = func(step string) {}

// newLock makes the lock file, locked before it has a name: there is no moment
// in which [GC] could take it for a dead run's. The text in it is for people;
// nothing trusts the pid.
func newLock(name string) (*os.File, error) {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, fmt.Errorf("%w (shared memory must be a writable tmpfs with room)", &os.PathError{Op: "open", Path: dir, Err: err})
	}
	f := os.NewFile(uintptr(fd), dir+"/"+name)
	atStep("lock made")
	fail := func(op string, err error) (*os.File, error) {
		f.Close()
		return nil, &os.PathError{Op: op, Path: dir + "/" + name, Err: err}
	}
	if err := unix.Fchmod(fd, 0o600); err != nil {
		return fail("chmod", err)
	}
	if err := flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fail("flock", err)
	}
	atStep("lock taken")
	program := ""
	if len(os.Args) > 0 {
		program = filepath.Base(os.Args[0])
	}
	fmt.Fprintf(f, "%d %.100s\n", os.Getpid(), program)
	if err := unix.Linkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd), unix.AT_FDCWD, dir+"/"+name, unix.AT_SYMLINK_FOLLOW); err != nil {
		return fail("link", err)
	}
	atStep("lock named")
	return f, nil
}

func flock(fd, how int) error {
	for {
		if err := unix.Flock(fd, how); err != unix.EINTR {
			return err
		}
	}
}
