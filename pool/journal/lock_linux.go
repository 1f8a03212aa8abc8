package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lockTries = 40
	lockPause = 5 * time.Millisecond
)

// Lock takes an flock. The holder writes its pid into the file, for LockedError.
func (osFS) Lock(name string) (io.Closer, error) {
	pid := 0
	for range lockTries {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
		if err != nil {
			return nil, err
		}
		l := &osLock{f}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case errors.Is(err, unix.EWOULDBLOCK):
			// Between taking the lock and writing its pid the holder has an empty file,
			// or that of one who was killed.
			if pid = l.pid(); pid != 0 && alive(pid) {
				f.Close()
				return nil, &LockedError{Path: name, PID: pid}
			}
			f.Close()
			time.Sleep(lockPause)
			continue
		case err != nil:
			f.Close()
			return nil, fmt.Errorf("lock %q: %w", name, os.NewSyscallError("flock", err))
		}
		current, err := l.current()
		switch {
		case err != nil:
			f.Close()
			return nil, err
		case !current: // whoever had it has removed it between our open and our lock
			f.Close()
			continue
		}
		// Without its pid it is a lock all the same.
		if f.Truncate(0) == nil {
			_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
		}
		return l, nil
	}
	return nil, &LockedError{Path: name, PID: pid}
}

type osLock struct{ f *os.File }

// current reports whether the locked file is the one of that name.
func (l *osLock) current() (bool, error) {
	mine, err := l.f.Stat()
	if err != nil {
		return false, err
	}
	if !mine.Mode().IsRegular() {
		return false, fmt.Errorf("%q is not a regular file: remove it", l.f.Name())
	}
	there, err := os.Lstat(l.f.Name())
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil && os.SameFile(mine, there), err
}

func (l *osLock) pid() int {
	b := make([]byte, 16)
	n, _ := l.f.ReadAt(b, 0)
	pid, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil || pid <= 0 {
		return 0
	}
	return pid
}

// Close removes the file while it is still locked: see current.
func (l *osLock) Close() error {
	var err error
	if current, _ := l.current(); current {
		err = os.Remove(l.f.Name())
	}
	// A child between fork and exec has the descriptor too: closing ours would not unlock it.
	_ = unix.Flock(int(l.f.Fd()), unix.LOCK_UN)
	return errors.Join(err, l.f.Close())
}

func alive(pid int) bool {
	err := unix.Kill(pid, 0)
	return err == nil || errors.Is(err, unix.EPERM)
}
