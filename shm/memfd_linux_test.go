package shm

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestAnonymousIsNoFile(t *testing.T) {
	r := newRun(t)
	seg, err := r.CreateAnonymous(4096, ReadOnly)
	require.NoError(t, err)
	for peers, want := range map[Mode]int{ReadOnly: sealed | unix.F_SEAL_FUTURE_WRITE, ReadWrite: sealed} {
		s, err := r.CreateAnonymous(4096, peers)
		require.NoError(t, err)
		seals, err := unix.FcntlInt(s.File().Fd(), unix.F_GET_SEALS, 0)
		require.NoError(t, err)
		require.Equal(t, want, seals&^unix.F_SEAL_EXEC)
		flags, err := unix.FcntlInt(s.File().Fd(), unix.F_GETFD, 0)
		require.NoError(t, err)
		require.Equal(t, unix.FD_CLOEXEC, flags)
	}
	require.Len(t, filesOf(t, r.ID()), 1, "only the lock may be there")
	_, err = Attach(seg.Name(), 0, ReadOnly)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, "passed by its descriptor, not by name")
	next, err := r.Create(4096)
	require.NoError(t, err)
	require.Equal(t, segmentName(r.ID(), 4), next.Name(), "the kinds count on one counter")
	require.Nil(t, next.File())
}

// The owner of an anonymous segment is killed: nothing is left to be collected.
func TestAnonymousNeedsNoCollector(t *testing.T) {
	cmd, id := startHelper(t, "hold anonymous")
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	for _, name := range filesOf(t, id) {
		require.Equal(t, lockName(id), name) // which somebody's collector may have removed
	}
	require.NoError(t, unlinkFile(lockName(id)))
}

// What a peer that was given an input tries on it.
var attacks = []struct {
	name string
	do   func(fd int, size int64) error
}{
	{"shrink", func(fd int, size int64) error { return unix.Ftruncate(fd, size/2) }},
	{"empty", func(fd int, size int64) error { return unix.Ftruncate(fd, 0) }},
	{"grow", func(fd int, size int64) error { return unix.Ftruncate(fd, 2*size) }},
	{"grow by fallocate", func(fd int, size int64) error { return unix.Fallocate(fd, 0, size, 4096) }},
	{"add a seal", func(fd int, _ int64) error {
		_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_WRITE)
		return err
	}},
	{"map writable", func(fd int, size int64) error {
		b, err := unix.Mmap(fd, 0, int(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		if err == nil {
			b[0] = 99
		}
		return err
	}},
	{"map, then make it writable", func(fd int, size int64) error {
		b, err := unix.Mmap(fd, 0, int(size), unix.PROT_READ, unix.MAP_SHARED)
		if err != nil {
			return fmt.Errorf("reading must be allowed: %v", err)
		}
		return unix.Mprotect(b, unix.PROT_READ|unix.PROT_WRITE)
	}},
	{"punch a hole", func(fd int, size int64) error {
		return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, size)
	}},
	{"write", func(fd int, _ int64) error { _, err := unix.Write(fd, []byte("overwritten")); return err }},
	{"pwrite", func(fd int, _ int64) error { _, err := unix.Pwrite(fd, []byte("overwritten"), 100); return err }},
	{"open again and write", func(fd int, _ int64) error {
		again, err := unix.Open(fmt.Sprintf("/proc/self/fd/%d", fd), unix.O_RDWR|unix.O_CLOEXEC, 0)
		if err != nil {
			return unix.EPERM // as good
		}
		_, err = unix.Write(again, []byte("overwritten"))
		return err
	}},
}

// helperAttack tries them all on descriptor 3, and says how each went.
func helperAttack([]string) error {
	var st unix.Stat_t
	if err := unix.Fstat(3, &st); err != nil {
		return err
	}
	for _, a := range attacks {
		fmt.Printf("%s: %v\n", a.name, a.do(3, st.Size))
	}
	f := os.NewFile(3, "memfd")
	_, err := AttachFile(f, "input", 0, ReadWrite)
	fmt.Printf("attach: %v\n", err)
	return nil
}

func TestInputsAreSealed(t *testing.T) {
	for _, size := range []int64{8192, 4 << 20} {
		seg, err := newRun(t).CreateAnonymous(size, ReadOnly)
		require.NoError(t, err)
		fill(seg.mem, 1)
		before := checksum(seg.mem)
		cmd := helper(t, "attack")
		cmd.ExtraFiles = []*os.File{seg.File()}
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		require.Len(t, lines, len(attacks)+1)
		for i, a := range attacks {
			require.Contains(t, []string{
				a.name + ": operation not permitted", a.name + ": permission denied",
			}, lines[i])
		}
		require.Contains(t, lines[len(attacks)], "sealed against writing")
		require.Equal(t, before, checksum(seg.mem))
		seg.mem[0] = 5 // still the owner's to write
		require.Equal(t, byte(5), seg.mem[0])
	}
}

func TestAttachFileRefuses(t *testing.T) {
	memfd := func(flags int, size int64, seals int) *os.File {
		fd, err := unix.MemfdCreate("stranger", unix.MFD_CLOEXEC|flags)
		require.NoError(t, err)
		f := os.NewFile(uintptr(fd), "stranger")
		t.Cleanup(func() { f.Close() })
		require.NoError(t, f.Truncate(size))
		if seals != 0 {
			_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, seals)
			require.NoError(t, err)
		}
		return f
	}
	open := func(path string) *os.File {
		f, err := os.Open(path)
		require.NoError(t, err)
		t.Cleanup(func() { f.Close() })
		return f
	}
	closed := memfd(unix.MFD_ALLOW_SEALING, 4096, sealed)
	require.NoError(t, closed.Close())
	named, err := newRun(t).Create(4096)
	require.NoError(t, err)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	defer w.Close()
	for name, row := range map[string]struct {
		f    *os.File
		says string
	}{
		"nil":             {nil, "no file"},
		"closed":          {closed, "bad file descriptor"},
		"a pipe":          {r, "expected a regular file"},
		"a directory":     {open("/"), "expected a regular file"},
		"a device":        {open("/dev/zero"), "expected a regular file"},
		"a file on disk":  {open("/proc/self/exe"), "not a memfd"},
		"a named segment": {open(dir + "/" + named.Name()), "a peer could truncate it"},
		"without sealing": {memfd(0, 4096, 0), "a peer could truncate it"},
		"without seals":   {memfd(unix.MFD_ALLOW_SEALING, 4096, 0), "a peer could truncate it"},
		"may shrink":      {memfd(unix.MFD_ALLOW_SEALING, 4096, sealed&^unix.F_SEAL_SHRINK), "a peer could truncate it"},
		"may grow":        {memfd(unix.MFD_ALLOW_SEALING, 4096, sealed&^unix.F_SEAL_GROW), "a peer could truncate it"},
		"may seal":        {memfd(unix.MFD_ALLOW_SEALING, 4096, sealed&^unix.F_SEAL_SEAL), "a peer could truncate it"},
		"empty":           {memfd(unix.MFD_ALLOW_SEALING, 0, sealed), "0 bytes, expected at least 1"},
		"small":           {memfd(unix.MFD_ALLOW_SEALING, 4095, sealed), "4095 bytes, expected at least 4096"},
		"an input":        {memfd(unix.MFD_ALLOW_SEALING, 4096, sealed|unix.F_SEAL_FUTURE_WRITE), "attach it ReadOnly"},
	} {
		t.Run(name, func(t *testing.T) {
			minBytes := int64(4096)
			if name == "empty" {
				minBytes = 0
			}
			_, err := AttachFile(row.f, "stranger", minBytes, ReadWrite)
			require.ErrorContains(t, err, `shm: attach "stranger": `)
			require.ErrorContains(t, err, row.says)
			if name != "closed" {
				require.ErrorIs(t, err, ErrForeign)
			}
		})
	}
	good := memfd(unix.MFD_ALLOW_SEALING, 1<<20, sealed)
	_, err = AttachFile(good, "../x", 0, ReadWrite)
	require.ErrorIs(t, err, ErrName)
	seg, err := AttachFile(good, "stranger", 1<<20, ReadWrite)
	require.NoError(t, err)
	var st unix.Stat_t
	require.NoError(t, unix.Fstat(int(good.Fd()), &st))
	require.GreaterOrEqual(t, st.Blocks*512, st.Size, "not reserved before it was handed out")
	require.True(t, seg.Anonymous())
	require.Nil(t, seg.File())
	require.NoError(t, seg.Close())
	require.NoError(t, good.Close(), "it was ours to close")
}
