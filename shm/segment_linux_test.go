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
	old := unix.Umask(0o777) // takes every bit away
	seg, err := newRun(t).Create(12345)
	unix.Umask(old)
	require.NoError(t, err)
	var st unix.Stat_t
	require.NoError(t, unix.Stat(dir+"/"+seg.Name(), &st))
	require.Equal(t, uint32(0o600), st.Mode&0o7777)
	require.Equal(t, int64(12345), st.Size)
	require.GreaterOrEqual(t, st.Blocks*512, st.Size, "space is not reserved")
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
		seg, err := r.Create(512 << 10)
		if err != nil {
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
	require.NoError(t, f.Close())
	require.NoError(t, os.Remove(dir+"/plain"))

	require.NoError(t, r.Close())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

// Room for bytes, none for files.
func TestNoInodes(t *testing.T) {
	if !shmtest.Private(t, "size=1m,nr_inodes=3") {
		return
	}
	r := newRun(t)
	var err error
	for i := 0; i < 3 && err == nil; i++ {
		_, err = r.Create(4096)
	}
	require.ErrorIs(t, err, unix.ENOSPC)
	require.ErrorContains(t, err, "free in /dev/shm but no inodes: ")
	require.ErrorContains(t, err, "nr_inodes")
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
	file := func(mode os.FileMode, size int64) func(string) error {
		return func(p string) error {
			if err := os.WriteFile(p, make([]byte, size), mode); err != nil {
				return err
			}
			return os.Chmod(p, mode)
		}
	}
	for name, row := range map[string]struct {
		name string
		min  int64
		is   error
	}{
		"missing":     {base + "9", 0, os.ErrNotExist},
		"symlink":     {mk("a", func(p string) error { return os.Symlink(base, p) }), 0, unix.ELOOP},
		"fifo":        {mk("b", func(p string) error { return unix.Mkfifo(p, 0o600) }), 0, ErrForeign},
		"directory":   {mk("c", func(p string) error { return os.Mkdir(p, 0o700) }), 0, unix.EISDIR},
		"group reads": {mk("d", file(0o640, 4096)), 0, ErrForeign},
		"empty":       {mk("e", file(0o600, 0)), 0, ErrForeign},
		"too small":   {base, 4097, ErrForeign},
		"path":        {"../shm/" + base, 0, ErrName},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Attach(row.name, row.min, ReadOnly)
			require.ErrorIs(t, err, row.is)
			require.NoError(t, unix.Access(at(base), unix.F_OK), "a failed attach must not unlink")
		})
	}
	if os.Geteuid() == 0 {
		t.Run("another user's", func(t *testing.T) {
			name := mk("f", file(0o600, 4096))
			require.NoError(t, os.Chown(at(name), 12345, 12345))
			_, err := Attach(name, 0, ReadOnly)
			require.ErrorIs(t, err, ErrForeign)
		})
	}
	t.Run("sized by another program", func(t *testing.T) {
		name := mk("g", func(p string) error {
			if err := file(0o600, 0)(p); err != nil {
				return err
			}
			return os.Truncate(p, 1<<20)
		})
		seg, err := Attach(name, 1<<20, ReadOnly)
		require.NoError(t, err)
		defer seg.Close()
		var st unix.Stat_t
		require.NoError(t, unix.Stat(at(name), &st))
		require.GreaterOrEqual(t, st.Blocks*512, st.Size, "not reserved before it was handed out")
	})
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
