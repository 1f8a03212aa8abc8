package shm

import (
	"os"

	"golang.org/x/sys/unix"
)

// hugePage is the size of a huge page of shared memory on amd64, and on arm64
// with pages of 4 KiB. Elsewhere there are none for us.
const hugePage = 2 << 20

// hugePageFile says what size it is here; there is none where the kernel has no
// transparent huge pages.
const hugePageFile = "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"

// A collapse that failed for want of memory, or because a page was in use, is
// tried again a few times; many huge pages refused in a row are a machine
// without free ones, and each try costs it a search.
const (
	collapseTries    = 3
	collapseRefusals = 8
)

// seed sizes f and puts one page into every huge page of it: only what has a
// page can be collapsed. The kernel answers ENOSPC here too.
func seed(f *os.File, size int64) error {
	if err := retryEINTR(func() error { return unix.Ftruncate(int(f.Fd()), size) }); err != nil {
		return os.NewSyscallError("ftruncate", err)
	}
	for off := int64(0); off+hugePage <= size; off += hugePage {
		if err := retryEINTR(func() error { _, err := unix.Pwrite(int(f.Fd()), []byte{0}, off); return err }); err != nil {
			return os.NewSyscallError("pwrite", err)
		}
	}
	return nil
}

// collapse asks for each huge page of mem, and returns how many bytes became
// huge. A refusal is no error: those bytes are on small pages.
func collapse(mem []byte, advise func([]byte) error) (huge int64) {
	refused := 0
	for ; len(mem) >= hugePage && refused < collapseRefusals; mem = mem[hugePage:] {
		err := error(unix.EAGAIN)
		for try := 0; try < collapseTries && (err == unix.EAGAIN || err == unix.EBUSY || err == unix.EINTR); try++ {
			err = advise(mem[:hugePage])
		}
		switch {
		case err == nil:
			huge += hugePage
			refused = 0
		case huge == 0 && (err == unix.EINVAL || err == unix.ENOSYS): // before Linux 6.1, or switched off
			return 0
		default:
			refused++
		}
	}
	return huge
}

func adviseCollapse(mem []byte) error { return unix.Madvise(mem, unix.MADV_COLLAPSE) }

func retryEINTR(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}
