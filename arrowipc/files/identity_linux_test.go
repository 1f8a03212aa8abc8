package files

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestIdentity(t *testing.T) {
	a, _ := newAllocator(t, 0)
	path := newFile(t, "x.csv", []byte("a\n1\n"))
	identity := func(path string) Identity {
		r, err := Open(path, a, nil)
		require.NoError(t, err)
		defer r.Close()
		return r.Identity()
	}
	id := identity(path)
	require.Equal(t, id, identity(path))
	require.Empty(t, id.Diff(id))
	require.NotZero(t, id.Inode)
	require.NotZero(t, id.ChangeTime)
	b, err := json.Marshal(id)
	require.NoError(t, err)
	var back Identity
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, id, back)

	second := Identity{Size: 10, ModTime: 0, ChangeTime: 5, Inode: 1, Device: 2}
	other := second
	other.ChangeTime = int64(time.Second)
	require.Equal(t, "renamed, replaced or given other attributes: 1970-01-01T00:00:00.000000005Z → 1970-01-01T00:00:01Z", second.Diff(other))
	other.Size, other.ModTime = 12, int64(time.Hour)
	require.Equal(t, "size 10 → 12 bytes, modified 1970-01-01T00:00:00Z → 1970-01-01T01:00:00Z", second.Diff(other))
	other = second
	other.Inode = 3
	require.Equal(t, "another file (inode 1 of device 2 → 3 of 2)", second.Diff(other))
	require.NotEqual(t, id, identity(newFile(t, "x.csv", []byte("a\n1\n"))))
}

// What happens to a file between two records, and whether it is then refused.
func TestChangedFile(t *testing.T) {
	table := "a,b\n" + strings.Repeat("1,2\n", 30_000)
	rec := newRecordOf(numericSchema(4), 5000, 1, noEdge)
	defer rec.Release()
	arrowFile, _ := encode(t, Arrow, rec.Schema(), rec, rec, rec, rec)
	for name, c := range map[string]struct {
		change  func(path string) error
		refused string
	}{
		"nothing": {func(string) error { return nil }, ""},
		"shrinks": {func(path string) error { return os.Truncate(path, 1000) }, " → 1000 bytes"},
		"emptied": {func(path string) error { return os.Truncate(path, 0) }, " → 0 bytes"},
		"grows": {func(path string) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteString("1,2\n")
				f.Close()
			}
			return err
		}, "size "},
		"written in place": {func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteAt([]byte("3"), 1000)
				f.Close()
			}
			return err
		}, "modified 2001-"},
		"renamed": {func(path string) error { return os.Rename(path, path+".old") }, ""},
		"removed": {os.Remove, ""},
		"replaced": {func(path string) error {
			if err := os.WriteFile(path+".new", []byte("x"), 0o600); err != nil {
				return err
			}
			return os.Rename(path+".new", path)
		}, ""},
		"chmod": {func(path string) error { return os.Chmod(path, 0o400) }, ""},
	} {
		for _, format := range []Format{Arrow, CSV} {
			for _, skip := range []bool{false, true} {
				t.Run(name+"/"+string(format), func(t *testing.T) {
					a, _ := newAllocator(t, 0)
					content := []byte(table)
					if format == Arrow {
						content = arrowFile
					}
					path := filepath.Join(t.TempDir(), "x."+string(format))
					require.NoError(t, os.WriteFile(path, content, 0o600))
					past := time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)
					require.NoError(t, os.Chtimes(path, past, past))
					r, err := Open(path, a, &Options{ChunkRows: 1000})
					require.NoError(t, err)
					defer r.Close()
					first, err := r.Next(context.Background())
					require.NoError(t, err)
					first.Release()
					require.NoError(t, c.change(path))
					if skip {
						err = r.Skip(context.Background(), 1000)
					}
					records := 0
					for ; err == nil; records++ {
						rec, e := r.Next(context.Background())
						if err = e; err == nil {
							rec.Release()
						}
					}
					if c.refused == "" {
						require.Equal(t, io.EOF, err)
						return
					}
					require.ErrorIs(t, err, ErrChanged)
					require.ErrorContains(t, err, c.refused)
					require.Contains(t, err.Error(), path+": changed while it was read: ")
					require.LessOrEqual(t, records, 1, "nothing is handed out behind the change")
				})
			}
		}
	}
}
