package shm

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

func openFile(name string, flags int, perm uint32) (*os.File, error) {
	path := dir + "/" + name
	for {
		fd, err := unix.Open(path, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, perm)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return nil, &os.PathError{Op: "open", Path: path, Err: err}
		}
		return os.NewFile(uintptr(fd), path), nil
	}
}

// createFile makes the file, reserves its space and maps it; on failure nothing
// is left.
func createFile(name string, size int64, room *room) (s *Segment, err error) {
	if err := room.check(name, size, false); err != nil {
		return nil, err
	}
	defer room.taken(size)
	f, err := openFile(name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0o600)
	if err != nil {
		return nil, spaceError(name, size, false, err)
	}
	defer f.Close()
	defer func() {
		if err != nil {
			err = errors.Join(err, unlinkFile(name))
		}
	}()
	if err := unix.Fchmod(int(f.Fd()), 0o600); err != nil { // a umask may have taken our own bits
		return nil, fmt.Errorf("shm: create %q: %w", name, os.NewSyscallError("fchmod", err))
	}
	m, huge, err := reserveAndMap(f, size)
	if err != nil {
		return nil, spaceError(name, size, false, err)
	}
	return &Segment{name: name, mapping: m, writable: true, huge: huge}, nil
}

func attachFile(name string, minBytes int64, mode Mode) (mapping, error) {
	_, made := segmentRunID(name) // by a Run: reserved at birth, or refused
	flags := unix.O_RDONLY
	if mode == ReadWrite || !made {
		flags = unix.O_RDWR
	}
	f, err := openFile(name, flags|unix.O_NONBLOCK, 0)
	if err != nil {
		var st unix.Stat_t
		if unix.Lstat(dir+"/"+name, &st) == nil && st.Mode&unix.S_IFMT != unix.S_IFREG { // a link, a socket
			err = fmt.Errorf("%w: %w", checkRegular(&st, 0), err)
		}
		return mapping{}, err
	}
	defer f.Close()
	st, err := checkFile(f, minBytes)
	if err != nil {
		return mapping{}, err
	}
	if err := reserveForeign(f, name, &st, false); err != nil {
		return mapping{}, err
	}
	return mapForeign(f, st.Size, mode)
}

// checkFile holds an opened file against what a segment must be.
func checkFile(f *os.File, minBytes int64) (st unix.Stat_t, err error) {
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return st, os.NewSyscallError("fstat", err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG: // said below
	case st.Uid != uint32(os.Geteuid()):
		return st, fmt.Errorf("%w: it belongs to user %d, expected %d", ErrForeign, st.Uid, os.Geteuid())
	case st.Mode&0o077 != 0:
		return st, fmt.Errorf("%w: mode %#o lets others in, expected 0600", ErrForeign, st.Mode&0o777)
	}
	return st, checkRegular(&st, minBytes)
}

// checkRegular holds a file against what any segment must be, named or not.
func checkRegular(st *unix.Stat_t, minBytes int64) error {
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		return fmt.Errorf("%w: %s, expected a regular file", ErrForeign, fileTypes[st.Mode&unix.S_IFMT])
	case st.Size <= 0 || st.Size < minBytes || st.Size != int64(int(st.Size)):
		return fmt.Errorf("%w: %d bytes, expected at least %d", ErrForeign, st.Size, max(minBytes, 1))
	}
	return nil
}

var fileTypes = map[uint32]string{
	unix.S_IFLNK:  "a symbolic link",
	unix.S_IFDIR:  "a directory",
	unix.S_IFIFO:  "a FIFO",
	unix.S_IFSOCK: "a socket",
	unix.S_IFCHR:  "a character device",
	unix.S_IFBLK:  "a block device",
	0:             "a descriptor without a file", // epoll, eventfd
}

// unlinkFile removes a name; one that is already missing is fine.
func unlinkFile(name string) error {
	if err := unix.Unlink(dir + "/" + name); err != nil && err != unix.ENOENT {
		return &os.PathError{Op: "unlink", Path: dir + "/" + name, Err: err}
	}
	return nil
}
