package shm

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// reserveAndMap makes the empty file f size bytes large, all of them set aside,
// and maps it. No store goes through the mapping before that.
func reserveAndMap(f *os.File, size int64) (m mapping, huge int64, err error) {
	if err := reserve(f, size); err != nil {
		return m, 0, err
	}
	m, err = mapFile(f, size, ReadWrite)
	return m, 0, err
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
