package shm

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// sealed is what lets processes that do not trust each other share a memfd:
// nobody can truncate it under another's mapping, nor take the seals off.
const sealed = unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_SEAL

// createMemfd makes a memfd, reserves its space, maps and seals it. The mapping
// made before the seal against future writes is the only one that can store.
func createMemfd(name string, size int64, peers Mode, room *room) (s *Segment, err error) {
	if err := room.check(name, size, true); err != nil {
		return nil, err
	}
	defer room.taken(size)
	f, err := newMemfd(name)
	if err != nil {
		return nil, spaceError(name, size, true, err)
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	m, huge, err := reserveAndMap(f, size)
	if err != nil {
		return nil, spaceError(name, size, true, err)
	}
	seals := sealed
	if peers != ReadWrite {
		seals |= unix.F_SEAL_FUTURE_WRITE
	}
	if _, err := unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals); err != nil {
		return nil, errors.Join(fmt.Errorf("shm: create %q: %w", name, os.NewSyscallError("fcntl F_ADD_SEALS", err)), m.unmap())
	}
	return &Segment{name: name, mapping: m, writable: true, anonymous: true, file: f, huge: huge}, nil
}

func newMemfd(name string) (*os.File, error) {
	const flags = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL { // before Linux 6.3
		fd, err = unix.MemfdCreate(name, flags)
	}
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

func attachMemfd(f *os.File, name string, minBytes int64, mode Mode) (mapping, error) {
	if f == nil {
		return mapping{}, fmt.Errorf("%w: no file, expected a memfd", ErrForeign)
	}
	defer runtime.KeepAlive(f)
	fd := f.Fd()
	var st unix.Stat_t
	if err := unix.Fstat(int(fd), &st); err != nil {
		return mapping{}, os.NewSyscallError("fstat", err)
	}
	if err := checkRegular(&st, minBytes); err != nil {
		return mapping{}, err
	}
	seals, err := unix.FcntlInt(fd, unix.F_GET_SEALS, 0)
	switch {
	case err != nil:
		return mapping{}, fmt.Errorf("%w: not a memfd: %w", ErrForeign, os.NewSyscallError("fcntl F_GET_SEALS", err))
	case seals&sealed != sealed:
		return mapping{}, fmt.Errorf("%w: seals %#x, expected %#x at least: a peer could truncate it", ErrForeign, seals, sealed)
	case mode == ReadWrite && seals&(unix.F_SEAL_WRITE|unix.F_SEAL_FUTURE_WRITE) != 0:
		return mapping{}, fmt.Errorf("%w: sealed against writing (seals %#x), expected one that peers may write; attach it ReadOnly", ErrForeign, seals)
	}
	if err := reserveForeign(f, name, &st, true); err != nil {
		return mapping{}, err
	}
	return mapForeign(f, st.Size, mode)
}

func tryHuge(size int64) (int64, error) {
	s, err := createMemfd("handoff-probe", size, ReadOnly, new(room))
	if err != nil {
		return 0, err
	}
	return s.huge, s.Close()
}
