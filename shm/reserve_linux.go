package shm

import (
	"errors"
	"fmt"
	"io"
	"os"

	mmap "github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// reserveAndMap makes the empty file f size bytes large, all of them set aside,
// and maps it, on huge pages where it can. Nothing is stored through the mapping
// before the space is set aside, because that may die of SIGBUS.
//
// The order is what makes large segments quick: huge pages are several times as
// fast to get as small ones, but not once the small ones are there.
func reserveAndMap(f *os.File, size int64) (m mapping, huge int64, err error) {
	if n, _ := readInt(hugePageFile); n != hugePage || size < hugePage {
		if err := reserve(f, size); err != nil {
			return m, 0, err
		}
		m, err = mapFile(f, size, ReadWrite)
		return m, 0, err
	}
	if err := seed(f, size); err != nil {
		return m, 0, err
	}
	if m, err = mapFile(f, size, ReadWrite); err != nil {
		return m, 0, err
	}
	if m.aligned {
		huge = collapse(m.mem, adviseCollapse)
	}
	if err := reserve(f, size); err != nil {
		return mapping{}, 0, errors.Join(err, m.unmap())
	}
	return m, huge, nil
}

// mapFile maps the first size bytes of f.
func mapFile(f *os.File, size int64, mode Mode) (mapping, error) {
	if size >= hugePage {
		prot := unix.PROT_READ
		if mode == ReadWrite {
			prot |= unix.PROT_WRITE
		}
		if mem, err := mapAligned(f, size, hugePage, prot); err == nil {
			return mapping{mem, true}, nil
		} // the room around it may have been too much to ask
	}
	prot := mmap.RDONLY
	if mode == ReadWrite {
		prot = mmap.RDWR
	}
	m, err := mmap.MapRegion(f, int(size), prot, 0, 0)
	return mapping{mem: m}, os.NewSyscallError("mmap", err)
}

// mapForeign is mapFile for an attach: its error says what to do.
func mapForeign(f *os.File, size int64, mode Mode) (mapping, error) {
	m, err := mapFile(f, size, mode)
	if errors.Is(err, unix.ENOMEM) {
		err = fmt.Errorf("no address space or number left for a mapping of %d bytes: %w; %s", size, err, remedySpace)
	}
	return m, err
}

func (m mapping) unmap() error {
	if m.aligned {
		return unmapAligned(m.mem)
	}
	b := mmap.MMap(m.mem)
	return os.NewSyscallError("munmap", b.Unmap())
}

// reserve makes the kernel set size bytes of a file of ours aside. A file
// system without fallocate gets zeros written, which answers ENOSPC just as safely.
func reserve(f *os.File, size int64) error {
	off, err := fallocate(f, size)
	if errors.Is(err, unix.EOPNOTSUPP) {
		err = writeZeros(f, off, size)
	}
	return err
}

func writeZeros(f *os.File, from, to int64) error {
	_, err := io.Copy(io.NewOffsetWriter(f, from), io.LimitReader(zeros{}, to-from))
	return err
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { clear(b); return len(b), nil }

// reserveForeign is reserve for a file that another program made and perhaps
// only sized, without a word of what is in it: it may be in use.
func reserveForeign(f *os.File, name string, st *unix.Stat_t, anonymous bool) error {
	missing := st.Size - st.Blocks*512
	if missing <= 0 {
		return nil
	}
	if err := new(room).check(name, missing, anonymous); err != nil {
		return err
	}
	if _, err := fallocate(f, st.Size); err != nil {
		return fmt.Errorf("%w: its bytes are not all reserved, and can't be: %w", ErrForeign, err)
	}
	return nil
}

// reserveStep bounds one fallocate: tmpfs undoes all of an interrupted call, so
// a large one under a steady stream of signals would never end.
const reserveStep = 64 << 20

// fallocate returns how far it came.
func fallocate(f *os.File, size int64) (off int64, err error) {
	for off < size {
		n := min(size-off, reserveStep)
		if err := retryEINTR(func() error { return unix.Fallocate(int(f.Fd()), 0, off, n) }); err != nil {
			return off, os.NewSyscallError("fallocate", err)
		}
		off += n
	}
	return off, nil
}
