package files

import (
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestOpenErrors(t *testing.T) {
	a, _ := newAllocator(t, 0)
	dir := t.TempDir()
	file := func(name string, content string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		return path
	}
	fifo := filepath.Join(dir, "fifo.csv")
	require.NoError(t, unix.Mkfifo(fifo, 0o600))
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer l.Close()
	loop := filepath.Join(dir, "loop")
	require.NoError(t, os.Symlink(loop, loop))
	for _, c := range []struct {
		name, path, want string
		is               error
	}{
		{"missing", filepath.Join(dir, "none.csv"), "no such file", fs.ErrNotExist},
		{"loop", loop, "too many levels", unix.ELOOP},
		{"below a file", file("file.csv", "a\n") + "/x.csv", "not a directory", unix.ENOTDIR},
		{"directory", dir, "is a directory", ErrUnsupported},
		{"pipe", fifo, "is a pipe", ErrUnsupported},
		{"socket", socket, "is a socket", ErrUnsupported},
		{"device", "/dev/zero", "is a device", ErrUnsupported},
		{"empty", file("empty.csv", ""), "empty file (0 bytes)", ErrCorrupt},
		{"unknown", file("x.txt", "a,b\n1,2\n"), "unknown file type; supported are", ErrUnsupported},
		{"no extension", file("x", "a"), "unknown file type; supported are", ErrUnsupported},
		{"not Arrow", file("x.arrow", "a,b\n1,2\n"), "not an Arrow IPC file", ErrCorrupt},
		{"only the magic", file("magic", "ARROW1"), "truncated", ErrCorrupt},
		{"magic at both ends", file("ends", "ARROW1\x00\x00\x00\x00\x00\x00ARROW1"), "footer", ErrCorrupt},
		{"only the end of a stream", file("eos", "\xff\xff\xff\xff\x00\x00\x00\x00"), "without a schema", ErrCorrupt},
		{"half a word", file("word", "\xff\xff\xff\xff\x00"), "truncated", ErrCorrupt},
		{"a name of two lines", file("two\nlines.txt", "x"), `two\nlines.txt": unknown`, ErrUnsupported},
		{"footer", shared + "corrupt-footer.arrow", "outside", ErrCorrupt},
		{"length", shared + "corrupt-length.stream", "truncated", ErrCorrupt},
		{"tree", shared + "corrupt-tree.stream", "more than", ErrCorrupt},
	} {
		t.Run(c.name, func(t *testing.T) {
			failed := time.AfterFunc(10*time.Second, func() { panic("Open hangs") })
			defer failed.Stop()
			_, err := Open(c.path, a, nil)
			require.ErrorIs(t, err, c.is)
			require.ErrorContains(t, err, c.want)
			require.NotContains(t, err.Error(), "\n")
			if c.name != "a name of two lines" {
				require.Contains(t, err.Error(), c.path)
			}
		})
	}
	_, err = Open(fifo, a, &Options{ChunkRows: -1})
	require.ErrorContains(t, err, "negative options: ChunkRows -1")
}

func TestOpenUnreadable(t *testing.T) {
	path := newFile(t, "x.csv", []byte("a\n"))
	require.NoError(t, os.Chmod(path, 0))
	a, _ := newAllocator(t, 0)
	failed := make(chan error)
	go func() {
		runtime.LockOSThread() // for good: the thread ends with the goroutine
		if os.Geteuid() == 0 {
			unix.Setfsuid(65534) // root reads everything; what this thread opens, it opens as nobody
		}
		_, err := Open(path, a, nil)
		failed <- err
	}()
	require.ErrorIs(t, <-failed, fs.ErrPermission)
}

// Content comes first, but a CSV file may look a little like Arrow.
func TestTypeByContent(t *testing.T) {
	a, _ := newAllocator(t, 0)
	for _, name := range []string{"x.csv", "x", "x.txt"} {
		for _, content := range [][]byte{writeFile(t), writeStream(t), withoutContinuation(t, writeStream(t))} {
			names, _, _, err := readAll(t, a, newFile(t, name, content), nil)
			require.NoError(t, err)
			require.Equal(t, smallNames, names)
		}
	}
	for _, content := range []string{"ARROW1\n1\n", "ARROW1,b\n1,2\n", "\t\t\t\ta\n1\n", "\n\n\n\na\n1\n"} {
		_, cols, _, err := readAll(t, a, newFile(t, "x.csv", []byte(content)), nil)
		require.NoError(t, err, "%q", content)
		require.Equal(t, cells{1.0}, cols[0])
	}
}

func TestNextContext(t *testing.T) {
	a, _ := newAllocator(t, 0)
	r, err := Open(shared+"small.stream", a, nil)
	require.NoError(t, err)
	defer r.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = r.Next(ctx)
	require.ErrorIs(t, err, context.Canceled)
	rec, err := r.Next(context.Background())
	require.NoError(t, err, "a cancelled call loses nothing")
	require.Equal(t, int64(smallFirst), rec.NumRows())
	rec.Release()
}
