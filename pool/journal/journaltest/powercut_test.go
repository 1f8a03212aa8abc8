package journaltest_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"example.com/handoff/pool/journal"
	"example.com/handoff/pool/journal/journaltest"
	"github.com/stretchr/testify/require"
)

func write(t *testing.T, fsys journal.FS, name, text string, sync bool) {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	_, err = f.Write([]byte(text))
	require.NoError(t, err)
	if sync {
		require.NoError(t, f.Sync())
	}
	require.NoError(t, f.Close())
}

func read(t *testing.T, fsys journal.FS, name string) (string, error) {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDONLY, 0)
	if err != nil {
		return "", err
	}
	info, err := f.Stat()
	require.NoError(t, err)
	b := make([]byte, info.Size())
	_, err = f.ReadAt(b, 0)
	require.NoError(t, err)
	return string(b), f.Close()
}

func TestImageKeepsWhatIsSynced(t *testing.T) {
	p := journaltest.NewPowerCut()
	require.NoError(t, p.Mkdir("d", 0o700))
	write(t, p, "d/synced", "synced", true)
	write(t, p, "d/named", "contents are not synced", false)
	write(t, p, "d/old", "old", true)
	_, err := p.Image(1, 0).Stat("d")
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, p.SyncDir("d"))
	require.NoError(t, p.SyncDir("/"))
	write(t, p, "d/old", "new", true)
	write(t, p, "d/unnamed", "synced, without a name", true)
	require.NoError(t, p.Rename("d/synced", "d/renamed"))

	none := p.Image(1, 0)
	for name, want := range map[string]string{"d/synced": "synced", "d/named": "", "d/old": "new"} {
		got, err := read(t, none, name)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, name := range []string{"d/unnamed", "d/renamed"} {
		_, err := none.Stat(name)
		require.ErrorIs(t, err, fs.ErrNotExist)
	}
	names, err := none.ReadDir("d")
	require.NoError(t, err)
	require.Len(t, names, 3)

	all := p.Image(1, 1)
	_, err = all.Stat("d/synced")
	require.ErrorIs(t, err, fs.ErrNotExist)
	got, err := read(t, all, "d/renamed")
	require.NoError(t, err)
	require.Equal(t, "synced", got)
}

// TestImagesDiffer looks for each kind of thing that an image may show.
func TestImagesDiffer(t *testing.T) {
	p := journaltest.NewPowerCut()
	write(t, p, "f", strings.Repeat("o", 700), true)
	require.NoError(t, p.SyncDir("/"))
	f, err := p.OpenFile("f", os.O_RDWR, 0)
	require.NoError(t, err)
	for i := range 8 {
		_, err = f.WriteAt([]byte(strings.Repeat("n", 1000)), int64(700+i*1000))
		require.NoError(t, err)
	}
	require.NoError(t, f.Close())
	seen := map[string]bool{}
	for seed := range uint64(200) {
		got, err := read(t, p.Image(seed, 0.5), "f")
		require.NoError(t, err)
		same, err := read(t, p.Image(seed, 0.5), "f")
		require.NoError(t, err)
		require.Equal(t, got, same, "the same seed, the same image")
		require.True(t, strings.HasPrefix(got, strings.Repeat("o", 700)), "what is synced stays")
		got = got[700:]
		seen["longer"] = seen["longer"] || len(got) > 0
		seen["as long as it was"] = seen["as long as it was"] || got == ""
		seen["a hole before data"] = seen["a hole before data"] || strings.Contains(got, "\x00n")
		seen["data before a hole"] = seen["data before a hole"] || strings.Contains(got, "n\x00")
		seen["garbage"] = seen["garbage"] || strings.Trim(got, "n\x00") != ""
	}
	for what, ok := range seen {
		require.True(t, ok, what)
	}
}

func TestFailAt(t *testing.T) {
	broken := errors.New("broken")
	p := journaltest.NewPowerCut()
	tap := journaltest.FailAt(p, 2, broken, "write", "sync")
	f, err := tap.OpenFile("f", os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	_, err = f.Write([]byte("whole "))
	require.NoError(t, err)
	n, err := f.Write([]byte("half"))
	require.ErrorIs(t, err, broken)
	require.Equal(t, 2, n)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	got, err := read(t, p, "f")
	require.NoError(t, err)
	require.Equal(t, "whole ha", got)
	var kinds []string
	for _, op := range tap.Ops() {
		require.Equal(t, "f", op.Name)
		kinds = append(kinds, op.Kind)
	}
	require.Equal(t, []string{"open", "write", "write", "sync", "close"}, kinds)

	tap = journaltest.FailFrom(p, 2, broken)
	require.NoError(t, tap.Mkdir("d", 0o700))
	require.ErrorIs(t, tap.Mkdir("e", 0o700), broken)
	require.ErrorIs(t, tap.Remove("d"), broken)
	_, err = p.Stat("e")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

// TestFailedSync: what a Sync could not write is read until the power goes, and no later Sync writes it.
func TestFailedSync(t *testing.T) {
	broken := errors.New("broken")
	p := journaltest.NewPowerCut()
	tap := journaltest.FailAt(p, 1, broken, "sync")
	f, err := tap.OpenFile("f", os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	require.NoError(t, tap.SyncDir("/"))
	_, err = f.Write([]byte("text"))
	require.NoError(t, err)
	require.ErrorIs(t, f.Sync(), broken)
	require.NoError(t, f.Sync())
	require.NoError(t, f.Close())
	got, err := read(t, p, "f")
	require.NoError(t, err)
	require.Equal(t, "text", got)
	got, err = read(t, p.Image(1, 1), "f")
	require.NoError(t, err)
	require.Equal(t, "\x00\x00\x00\x00", got)
}

func TestLock(t *testing.T) {
	p := journaltest.NewPowerCut()
	l, err := p.Lock("lock")
	require.NoError(t, err)
	_, err = p.Lock("lock")
	require.ErrorIs(t, err, journal.ErrLocked)
	image, err := p.Image(1, 1).Lock("lock") // nobody has it after a power cut
	require.NoError(t, err)
	require.NoError(t, image.Close())
	require.NoError(t, l.Close())
	require.ErrorIs(t, l.Close(), fs.ErrClosed)
	_, err = p.Stat("lock")
	require.ErrorIs(t, err, fs.ErrNotExist)
}

func TestErrors(t *testing.T) {
	p := journaltest.NewPowerCut()
	require.NoError(t, p.Mkdir("d", 0o700))
	write(t, p, "d/f", "x", false)
	require.ErrorIs(t, p.Mkdir("d", 0o700), fs.ErrExist)
	require.ErrorIs(t, p.Mkdir("none/d", 0o700), fs.ErrNotExist)
	require.Error(t, p.Remove("d"))
	require.Error(t, p.Mkdir("d/f/g", 0o700))
	require.Error(t, p.Rename("d/f", "f"), "another folder")
	require.ErrorIs(t, p.Rename("d/none", "d/f"), fs.ErrNotExist)
	require.ErrorIs(t, p.Remove("/"), fs.ErrInvalid)
	_, err := p.OpenFile("d", os.O_RDWR, 0)
	require.Error(t, err)
	_, err = p.OpenFile("d/f", os.O_RDWR|os.O_CREATE|os.O_EXCL, 0)
	require.ErrorIs(t, err, fs.ErrExist)
	_, err = p.ReadDir("d/f")
	require.Error(t, err)
	require.NoError(t, p.Remove("d/f"))
	require.NoError(t, p.Remove("d"))
}
