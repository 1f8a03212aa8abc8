package outfile

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm/shmtest"
)

// A name leads to the file that a write makes or replaces; what cannot be is refused.
func TestResolve(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	t.Chdir(base)
	require.NoError(t, os.MkdirAll("scratch/deep", 0o700))
	for _, name := range []string{"there.csv", "scratch/there.csv"} {
		require.NoError(t, os.WriteFile(name, nil, 0o600))
	}
	for name, target := range map[string]string{
		"link": "there.csv", "dangling": "scratch/new.csv", "absolute": base + "/scratch/new.csv", "twice": "dangling",
		"nowhere": "none/new.csv", "loop": "loop", "deep": "scratch/deep", "scratch/deep/up": "../new.csv", "up": "deep/../new.csv", "todir": "scratch",
	} {
		require.NoError(t, os.Symlink(target, name))
	}
	require.NoError(t, unix.Mkfifo("fifo", 0o600))
	long := strings.Repeat("中", 80) + ".csv" // 244 bytes
	for name, row := range map[string]struct{ want, err string }{
		"new.csv":             {want: "new.csv"},
		"there.csv":           {want: "there.csv"},
		"./scratch/../x":      {want: "x"},
		"link":                {want: "there.csv"},
		"dangling":            {want: "scratch/new.csv"},
		"absolute":            {want: "scratch/new.csv"},
		"twice":               {want: "scratch/new.csv"},
		"deep/new.csv":        {want: "scratch/deep/new.csv"},
		"deep/../there.csv":   {want: "scratch/there.csv"}, // as the kernel goes, not as it reads
		"deep/up":             {want: "scratch/new.csv"},
		"up":                  {want: "scratch/new.csv"},
		long:                  {want: long},
		"nowhere":             {err: "no such file"},
		"none/x.csv":          {err: "no such file"},
		"there.csv/x.csv":     {err: "not a directory"},
		"loop":                {err: "too many levels"},
		"scratch":             {err: "expected a regular file"},
		"todir":               {err: "expected a regular file"},
		"fifo":                {err: "expected a regular file"},
		"x.csv/":              {err: "expected the name of a file"},
		"..":                  {err: "expected the name of a file"},
		"":                    {err: "expected the name of a file"},
		long + "123456789012": {err: "file name too long"},
	} {
		got, err := Resolve(name)
		if row.err != "" {
			require.ErrorContains(t, err, row.err, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, filepath.Join(base, row.want), got, name)
	}
}

func TestSame(t *testing.T) {
	base := t.TempDir()
	t.Chdir(base)
	require.NoError(t, os.Mkdir("dir", 0o700))
	require.NoError(t, os.Symlink("dir", "link"))
	require.NoError(t, os.WriteFile("a", nil, 0o600))
	require.NoError(t, os.Link("a", "hard"))
	require.NoError(t, os.Symlink("a", "soft"))
	require.NoError(t, os.Symlink("dir/new", "dangling"))
	require.NoError(t, unix.Mkfifo("fifo", 0o600))
	for _, row := range []struct {
		a, b string
		want bool
	}{
		{"a", "hard", true}, {"a", "soft", true}, {"a", "./a", true}, {"a", base + "/a", true}, {"a", "dir/../a", true},
		{"new", "./new", true}, {"new", base + "/new", true}, {"dir/new", "link/new", true}, {"dangling", "dir/new", true}, {"dangling", "link/new", true},
		{"fifo", "./fifo", true}, {"/dev/null", "/dev/null", false}, {"dir", "link", false},
		{"a", "new", false}, {"new", "newer", false}, {"new", "dir/new", false}, {"none/new", "none/new", false}, {"a", "", false}, {"", "", false},
	} {
		require.Equal(t, row.want, Same(row.a, row.b), "%q %q", row.a, row.b)
		require.Equal(t, row.want, Same(row.b, row.a), "%q %q", row.b, row.a)
	}
}

// A file that is a mount point cannot be replaced, nor can anything be made where all
// is read-only.
func TestResolveMount(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	dir := t.TempDir()
	mount := func(source, target, kind string, flags uintptr) {
		require.NoError(t, unix.Mount(source, target, kind, flags, ""))
		t.Cleanup(func() { unix.Unmount(target, unix.MNT_DETACH) })
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(at("source"), []byte("x"), 0o600))
	require.NoError(t, os.WriteFile(at("out"), nil, 0o600))
	mount(at("source"), at("out"), "", unix.MS_BIND)
	_, err := Resolve(at("out"))
	require.ErrorIs(t, err, errMount)
	_, err = Resolve(at("source"))
	require.NoError(t, err)
	require.True(t, Same(at("source"), at("out")))

	require.NoError(t, os.Mkdir(at("folder"), 0o700))
	require.NoError(t, os.Mkdir(at("again"), 0o700))
	mount(at("folder"), at("again"), "", unix.MS_BIND)
	require.True(t, Same(at("folder/new"), at("again/new")))
	_, err = Resolve(at("again/new"))
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(at("folder/out"), nil, 0o600))
	mount("", at("again"), "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY)
	for _, name := range []string{"again/out", "again/new"} {
		_, err = Resolve(at(name))
		require.ErrorIs(t, err, unix.EROFS, name)
	}
}

// In a sticky folder nobody replaces somebody else's file, and without permission
// nobody makes one.
func TestResolveAsAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("not in CI: needs root, to be another user")
	}
	dir, err := os.MkdirTemp("/tmp", "outfile-") // the folder of TMPDIR may be closed to others
	require.NoError(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	require.NoError(t, os.Chmod(dir, 0o755))
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, mode := range map[string]os.FileMode{"sticky": 0o777 | os.ModeSticky, "open": 0o777, "closed": 0o755, "drop": 0o733} {
		require.NoError(t, os.Mkdir(at(name), 0o700))
		require.NoError(t, os.Chmod(at(name), mode))
		require.NoError(t, os.WriteFile(at(name+"/roots"), nil, 0o644))
		require.NoError(t, os.WriteFile(at(name+"/own"), nil, 0o644))
		require.NoError(t, os.Chown(at(name+"/own"), 65534, 65534))
	}
	done := make(chan map[string]error)
	go func() {
		runtime.LockOSThread() // and the thread ends with the goroutine
		got := map[string]error{}
		if err := unix.Setfsuid(65534); err != nil {
			got["setfsuid"] = err
		}
		for _, name := range []string{"sticky/new", "sticky/own", "sticky/roots", "open/new", "open/roots", "closed/new", "closed/own", "drop/new", "drop/roots"} {
			if _, err := Resolve(at(name)); err != nil {
				got[name] = err
			}
		}
		done <- got
	}()
	got := <-done
	require.Len(t, got, 3)
	for name, want := range map[string]error{"sticky/roots": unix.EPERM, "closed/new": unix.EACCES, "closed/own": unix.EACCES} {
		require.ErrorIs(t, got[name], want, name)
	}
	require.FileExists(t, at("sticky/roots"))
	require.FileExists(t, at("open/roots"))
}

// What may not be changed is found without changing it.
func TestResolveImmutable(t *testing.T) {
	const immutable, appendOnly = 0x10, 0x20 // FS_IMMUTABLE_FL, FS_APPEND_FL
	dir := t.TempDir()
	toggle := func(name string, flag uint32) error {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
		if err != nil {
			return err
		}
		return unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags^flag))
	}
	for name, flags := range map[string]uint32{"file": immutable, "log": appendOnly, "folder": immutable, "logs": appendOnly} {
		path := filepath.Join(dir, name)
		out := path
		if name == "folder" || name == "logs" {
			require.NoError(t, os.Mkdir(path, 0o700))
			out = filepath.Join(path, "new")
		} else {
			require.NoError(t, os.WriteFile(path, []byte("x"), 0o600))
		}
		if err := toggle(path, flags); err != nil {
			t.Skipf("not in CI: files in %s cannot be made immutable: %v", dir, err)
		}
		t.Cleanup(func() { require.NoError(t, toggle(path, flags)) })
		_, err := Resolve(out)
		require.ErrorIs(t, err, map[string]error{"file": unix.EPERM, "log": unix.EPERM, "folder": errImmutable, "logs": errAppendOnly}[name], name)
	}
}
