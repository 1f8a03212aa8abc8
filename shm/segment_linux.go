package shm

import (
	"errors"
	"fmt"
	"io"
	"os"

	mmap "github.com/edsrzf/mmap-go"
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
// is left. No store goes through the mapping before the reservation succeeded.
func createFile(name string, size int64, room *room) (mem []byte, err error) {
	if size <= 0 || size != int64(int(size)) {
		return nil, fmt.Errorf("shm: create %q: size %d, expected more than 0 bytes", name, size)
	}
	if err := room.check(name, size); err != nil {
		return nil, err
	}
	f, err := openFile(name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0o600)
	if errors.Is(err, unix.ENOSPC) {
		return nil, spaceError(name, size, err)
	}
	if err != nil {
		return nil, fmt.Errorf("shm: create %q: %w", name, err)
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
	if err := reserve(f, size); err != nil {
		return nil, spaceError(name, size, err)
	}
	m, err := mmap.MapRegion(f, int(size), mmap.RDWR, 0, 0)
	if err != nil {
		return nil, spaceError(name, size, os.NewSyscallError("mmap", err))
	}
	return m, nil
}

// reserveStep bounds one fallocate: tmpfs undoes all of an interrupted call, so
// a large one under a steady stream of signals would never end.
const reserveStep = 64 << 20

// reserve makes the kernel set size bytes aside. A file system without
// fallocate gets zeros written, which answers ENOSPC just as safely.
func reserve(f *os.File, size int64) error {
	for off := int64(0); off < size; {
		n := min(size-off, reserveStep)
		switch err := unix.Fallocate(int(f.Fd()), 0, off, n); err {
		case nil:
			off += n
		case unix.EINTR:
		case unix.EOPNOTSUPP:
			_, err := io.Copy(io.NewOffsetWriter(f, off), io.LimitReader(zeros{}, size-off))
			return err
		default:
			return os.NewSyscallError("fallocate", err)
		}
	}
	return nil
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

func attachFile(name string, minBytes int64, mode Mode) ([]byte, error) {
	_, made := segmentRunID(name) // by a Run: reserved at birth
	flags, prot := unix.O_RDONLY, mmap.RDONLY
	if mode == ReadWrite {
		prot = mmap.RDWR
	}
	if mode == ReadWrite || !made {
		flags = unix.O_RDWR
	}
	f, err := openFile(name, flags|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	size, err := checkFile(f, minBytes)
	if err != nil {
		return nil, err
	}
	if !made {
		if err := reserve(f, size); err != nil {
			return nil, err
		}
	}
	m, err := mmap.MapRegion(f, int(size), prot, 0, 0)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	return m, nil
}

// checkFile holds an opened file against what a segment must be.
func checkFile(f *os.File, minBytes int64) (size int64, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	switch {
	case st.Mode&unix.S_IFMT != unix.S_IFREG:
		err = fmt.Errorf("%w: file type %#o, expected a regular file", ErrForeign, st.Mode&unix.S_IFMT)
	case st.Uid != uint32(os.Geteuid()):
		err = fmt.Errorf("%w: it belongs to user %d, expected %d", ErrForeign, st.Uid, os.Geteuid())
	case st.Mode&0o077 != 0:
		err = fmt.Errorf("%w: mode %#o lets others in, expected 0600", ErrForeign, st.Mode&0o777)
	case st.Size <= 0 || st.Size < minBytes || st.Size != int64(int(st.Size)):
		err = fmt.Errorf("%w: %d bytes, expected at least %d", ErrForeign, st.Size, max(minBytes, 1))
	}
	return st.Size, err
}

// unlinkFile removes a name; one that is already missing is fine.
func unlinkFile(name string) error {
	if err := unix.Unlink(dir + "/" + name); err != nil && err != unix.ENOENT {
		return &os.PathError{Op: "unlink", Path: dir + "/" + name, Err: err}
	}
	return nil
}

func unmap(mem []byte) error {
	m := mmap.MMap(mem)
	return os.NewSyscallError("munmap", m.Unmap())
}
