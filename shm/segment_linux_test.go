package shm

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm/shmtest"
)

func helperSum(args []string) error {
	var ref Ref
	if err := json.Unmarshal([]byte(args[0]), &ref); err != nil {
		return err
	}
	seg, err := Attach(ref.Segment, ref.Offset+ref.Bytes(), ReadOnly)
	if err != nil {
		return err
	}
	defer seg.Close()
	v, err := Bind[float64](seg, ref)
	if err != nil {
		return err
	}
	defer v.Release()
	sum := 0.0
	for _, x := range v.Data() {
		sum += x
	}
	fmt.Println(sum)
	return nil
}

func TestAnotherProcessReadsByName(t *testing.T) {
	a := newRun(t).NewArena(nil)
	first, err := Make[byte](a, 100) // so that the offset is not 0
	require.NoError(t, err)
	defer first.Release()
	x, err := PutCopy(a, []float64{1, 2, 3.5, 4}, 2, 2)
	require.NoError(t, err)
	defer x.Release()
	ref, err := json.Marshal(x.Ref())
	require.NoError(t, err)
	out, err := helper(t, "sum", string(ref)).CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "10.5\n", string(out))
}

func TestCreate(t *testing.T) {
	for _, umask := range []int{0, 0o077, 0o777} { // the last takes every bit away
		old := unix.Umask(umask)
		r := newRun(t)
		seg, err := r.Create(12345)
		unix.Umask(old)
		require.NoError(t, err)
		for _, name := range []string{seg.Name(), lockName(r.ID())} {
			var st unix.Stat_t
			require.NoError(t, unix.Stat(dir+"/"+name, &st))
			require.Equal(t, uint32(unix.S_IFREG|0o600), st.Mode, name)
			require.Equal(t, uint32(os.Geteuid()), st.Uid)
			require.GreaterOrEqual(t, st.Blocks*512, st.Size, "space is not reserved")
		}
		again, err := Attach(seg.Name(), 12345, ReadWrite)
		require.NoError(t, err)
		require.NoError(t, again.Close())
	}
}

// Whatever else has the next name: it is neither opened nor replaced.
func TestCreateTakesNothingOver(t *testing.T) {
	for name, occupy := range map[string]func(path string) error{
		"file":      func(p string) error { return os.WriteFile(p, []byte("mine"), 0o600) },
		"symlink":   func(p string) error { return os.Symlink("/nowhere", p) },
		"FIFO":      func(p string) error { return unix.Mkfifo(p, 0o600) },
		"directory": func(p string) error { return os.Mkdir(p, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRun(t)
			path := dir + "/" + segmentName(r.ID(), 1)
			require.NoError(t, occupy(path))
			before, err := os.Lstat(path)
			require.NoError(t, err)
			_, err = r.Create(4096)
			require.ErrorIs(t, err, os.ErrExist)
			after, err := os.Lstat(path)
			require.NoError(t, err)
			require.True(t, os.SameFile(before, after))
			require.Equal(t, before.Size(), after.Size())
			require.NoError(t, os.Remove(path))
		})
	}
}

func TestFullShm(t *testing.T) {
	if !shmtest.Private(t, "size=1m") {
		return
	}
	r, err := NewRun()
	require.NoError(t, err)
	says := func(err error) {
		t.Helper()
		require.ErrorIs(t, err, unix.ENOSPC)
		for _, want := range []string{"asked for 8388608 bytes", "free in /dev/shm: ", "no space left on device", "--shm-size"} {
			require.ErrorContains(t, err, want)
		}
	}
	_, err = r.Create(8 << 20)
	says(err)
	made := 0
	for range 10 {
		_, err = r.Create(1 << 20) // the lock file has a page
		require.ErrorIs(t, err, unix.ENOSPC)
		seg, err := r.Create(512 << 10)
		if err != nil {
			require.ErrorIs(t, err, unix.ENOSPC)
			continue
		}
		for i := range seg.mem {
			seg.mem[i] = 1 // SIGBUS if it was not reserved
		}
		made++
	}
	require.Contains(t, []int{1, 2}, made)

	// What the kernel refuses itself reads the same.
	f, err := openFile("plain", unix.O_CREAT|unix.O_RDWR, 0o600)
	require.NoError(t, err)
	says(spaceError("plain", 8<<20, false, reserve(f, 8<<20)))
	says(spaceError("plain", 8<<20, false, writeZeros(f, 0, 8<<20)))
	require.NoError(t, f.Close())
	require.NoError(t, os.Remove(dir+"/plain"))

	// What is no file needs no room there.
	anonymous, err := r.CreateAnonymous(8<<20, ReadOnly)
	require.NoError(t, err)
	fill(anonymous.mem, 1)

	require.NoError(t, r.Close())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// Room for bytes, none for files.
func TestNoInodes(t *testing.T) {
	if !shmtest.Private(t, "size=1m,nr_inodes=10") {
		return
	}
	r := newRun(t)
	var err error
	for err == nil {
		_, err = r.Create(4096)
		require.Less(t, len(filesOf(t, r.ID())), 10)
	}
	require.ErrorIs(t, err, unix.ENOSPC)
	require.ErrorContains(t, err, "free in /dev/shm but no inodes: ")
	require.ErrorContains(t, err, "nr_inodes")
	anonymous, err := r.CreateAnonymous(4096, ReadOnly)
	require.NoError(t, err, "it needs none")
	require.NoError(t, anonymous.Close())
}

func TestAttachRefuses(t *testing.T) {
	seg, err := newRun(t).Create(4096)
	require.NoError(t, err)
	at := func(name string) string { return dir + "/" + name }
	base := seg.Name()
	mk := func(suffix string, make func(path string) error) string {
		name := base + suffix
		require.NoError(t, make(at(name)))
		t.Cleanup(func() { os.Remove(at(name)) })
		return name
	}
	file := func(mode uint32, size int64) func(string) error {
		return func(p string) error {
			if err := os.WriteFile(p, make([]byte, size), 0o600); err != nil {
				return err
			}
			return unix.Chmod(p, mode)
		}
	}
	type row struct {
		name string
		min  int64
		is   error
		says string
	}
	rows := map[string]row{
		"missing":      {base + "9", 0, os.ErrNotExist, "no such file"},
		"symlink":      {mk("a", func(p string) error { return os.Symlink(base, p) }), 0, ErrForeign, "a symbolic link, expected a regular file"},
		"FIFO":         {mk("b", func(p string) error { return unix.Mkfifo(p, 0o600) }), 0, ErrForeign, "a FIFO, expected a regular file"},
		"directory":    {mk("c", func(p string) error { return os.Mkdir(p, 0o700) }), 0, ErrForeign, "a directory, expected a regular file"},
		"socket":       {mk("d", listen), 0, ErrForeign, "a socket, expected a regular file"},
		"empty":        {mk("e", file(0o600, 0)), 0, ErrForeign, "0 bytes, expected at least 1"},
		"too small":    {base, 4097, ErrForeign, "4096 bytes, expected at least 4097"},
		"path":         {"../shm/" + base, 0, ErrName, "it starts with a dot"},
		"group reads":  {mk("f", file(0o640, 4096)), 0, ErrForeign, "mode 0640 lets others in, expected 0600"},
		"group writes": {mk("g", file(0o620, 4096)), 0, ErrForeign, "mode 0620 lets others in"},
		"others read":  {mk("h", file(0o604, 4096)), 0, ErrForeign, "mode 0604 lets others in"},
		"all run":      {mk("i", file(0o711, 4096)), 0, ErrForeign, "mode 0711 lets others in"},
	}
	if os.Geteuid() == 0 {
		name := mk("j", file(0o600, 4096))
		require.NoError(t, os.Chown(at(name), 12345, 12345))
		rows["another user's"] = row{name, 0, ErrForeign, "it belongs to user 12345, expected 0"}
	}
	device := base + "k"
	if err := unix.Mknod(at(device), unix.S_IFCHR|0o600, int(unix.Mkdev(1, 5))); err == nil { // as /dev/zero
		t.Cleanup(func() { os.Remove(at(device)) })
		rows["device"] = row{device, 0, ErrForeign, "a character device, expected a regular file"}
	} else {
		t.Logf("no device node here: %v", err)
	}
	for name, row := range rows {
		for mode, how := range map[Mode]string{ReadOnly: "read", ReadWrite: "write"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				_, err := Attach(row.name, row.min, mode)
				require.ErrorIs(t, err, row.is)
				require.ErrorContains(t, err, row.says)
				require.NoError(t, unix.Access(at(base), unix.F_OK), "a failed attach must not unlink")
				if row.is == ErrForeign {
					require.NoError(t, unix.Faccessat(unix.AT_FDCWD, at(row.name), unix.F_OK, unix.AT_SYMLINK_NOFOLLOW))
				}
			})
		}
	}
	require.Empty(t, grep(descriptors(t), base))
	require.Len(t, grep(maps(t), base), 1)

	t.Run("a second name", func(t *testing.T) { // is as good as the first
		name := mk("l", func(p string) error { return os.Link(at(base), p) })
		again, err := Attach(name, 4096, ReadWrite)
		require.NoError(t, err)
		again.mem[0] = 9
		require.Equal(t, byte(9), seg.mem[0])
		require.NoError(t, again.Close())
	})
	t.Run("sized by another program", func(t *testing.T) {
		name := mk("m", func(p string) error {
			if err := os.WriteFile(p, []byte("data"), 0o600); err != nil {
				return err
			}
			return os.Truncate(p, 1<<20)
		})
		again, err := Attach(name, 1<<20, ReadOnly)
		require.NoError(t, err)
		defer again.Close()
		require.Equal(t, "data", string(again.mem[:4]))
		var st unix.Stat_t
		require.NoError(t, unix.Stat(at(name), &st))
		require.GreaterOrEqual(t, st.Blocks*512, st.Size, "not reserved before it was handed out")
	})
	t.Run("a run's name, sized only", func(t *testing.T) {
		name := mk("8", file(0o600, 0))
		require.NoError(t, os.Truncate(at(name), 1<<20))
		_, err := Attach(name, 0, ReadOnly)
		require.ErrorIs(t, err, ErrForeign)
		require.ErrorContains(t, err, "not all reserved")
		again, err := Attach(name, 0, ReadWrite)
		require.NoError(t, err)
		require.NoError(t, again.Close())
	})
	t.Run("sized past all memory", func(t *testing.T) {
		name := mk("n", file(0o600, 0))
		require.NoError(t, os.Truncate(at(name), 1<<50))
		_, err := Attach(name, 0, ReadOnly)
		require.ErrorIs(t, err, unix.ENOSPC)
		var space *SpaceError
		require.ErrorAs(t, err, &space)
		require.Equal(t, int64(1<<50), space.Asked)
	})
}

// listen makes a socket file.
func listen(path string) error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Bind(fd, &unix.SockaddrUnix{Name: path})
}

func TestCloseWaitsForViews(t *testing.T) {
	r := newRun(t)
	seg, err := r.Create(1 << 20)
	require.NoError(t, err)
	sh, err := ShapeOf(3)
	require.NoError(t, err)
	arr, err := BindArray[int32](seg, Ref{Segment: seg.Name(), DType: Int32, Shape: sh})
	require.NoError(t, err)
	copy(arr.Data(), []int32{1, 2, 3})
	name, unmapped := seg.Name(), false
	seg.OnUnmap(func() { unmapped = true })
	require.NoError(t, seg.Close())
	require.NoError(t, seg.Close())
	seg = nil
	for range 3 {
		runtime.GC()
	}
	require.False(t, unmapped)
	require.Equal(t, []int32{1, 2, 3}, arr.Data())
	require.NoError(t, unix.Access(dir+"/"+name, unix.F_OK))
	arr.Release()
	require.True(t, unmapped)
	require.ErrorIs(t, unix.Access(dir+"/"+name, unix.F_OK), unix.ENOENT)
	require.Panics(t, func() { arr.Data() })
	require.Panics(t, func() { arr.Release() })
	_, err = arr.Pin()
	require.ErrorIs(t, err, ErrReleased)
}

func TestRunCloseUnlinksPinned(t *testing.T) {
	r, err := NewRun()
	require.NoError(t, err)
	a := r.NewArena(nil)
	x, err := PutCopy(a, []float64{7})
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	require.Empty(t, filesOf(t, r.ID()))
	require.Equal(t, []float64{7}, x.Data(), "a pinned array outlives its name")
	x.Release()
	require.Empty(t, grep(maps(t), r.ID()))
	_, err = r.Create(1)
	require.ErrorIs(t, err, ErrClosed)
	_, err = Make[byte](a, 1<<30)
	require.ErrorIs(t, err, ErrClosed)
}
