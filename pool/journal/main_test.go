package journal_test

import (
	"fmt"
	"os"
	"testing"

	"example.com/handoff/pool/journal"
	"github.com/stretchr/testify/require"
)

// TestMain turns the test binary into one of the programs, by name in an environment variable.
func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // for the programs: they would sleep for a second
	if name := os.Getenv("JOURNAL_TEST_PROGRAM"); name != "" {
		program, ok := programs[name]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such program:", name)
			os.Exit(2)
		}
		program(os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// programs are filled by the files that start them.
var programs = map[string]func(args []string){}

func soak() bool { return os.Getenv("HANDOFF_SOAK") != "" }

// records reads what Open has found.
func records(j *journal.Journal) (recs []string, err error) {
	for rec, err := range j.Records() {
		if err != nil {
			return recs, err
		}
		recs = append(recs, string(rec))
	}
	return recs, nil
}

// open opens a journal and returns it with its records.
func open(t testing.TB, dir string, fsys journal.FS) (*journal.Journal, []string) {
	t.Helper()
	j, err := journal.Open(dir, &journal.Options{FS: fsys})
	require.NoError(t, err)
	recs, err := records(j)
	require.NoError(t, err)
	require.Equal(t, j.Len(), len(recs))
	return j, recs
}

// appendGroup appends records and syncs them.
func appendGroup(t testing.TB, j *journal.Journal, recs ...string) {
	t.Helper()
	for _, rec := range recs {
		require.NoError(t, j.Append([]byte(rec)))
	}
	require.NoError(t, j.Sync())
}

// put writes a file of a file system.
func put(t testing.TB, fsys journal.FS, name string, b []byte) {
	t.Helper()
	f, err := fsys.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	require.NoError(t, err)
	_, err = f.WriteAt(b, 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
}

// get reads a file of a file system.
func get(t testing.TB, fsys journal.FS, name string) []byte {
	t.Helper()
	info, err := fsys.Stat(name)
	require.NoError(t, err)
	f, err := fsys.OpenFile(name, os.O_RDWR, 0)
	require.NoError(t, err)
	b := make([]byte, info.Size())
	_, err = f.ReadAt(b, 0)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	return b
}

func equal(a, b []string) bool {
	return len(a) == len(b) && prefixOf(a, b)
}

// prefixOf reports whether b begins with a.
func prefixOf(a, b []string) bool {
	if len(a) > len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
