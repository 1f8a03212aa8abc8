package outfile

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// creates are the two ways in which files come into being.
var creates = map[string]func(string) (*File, error){"nameless": Create, "named": createNamed}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func write(t *testing.T, f *File, text string) {
	t.Helper()
	_, err := f.WriteString(text)
	require.NoError(t, err)
	require.NoError(t, f.Commit())
	require.NoError(t, f.Close())
}

// A file appears with Commit, also under a name as long as names can be, and replaces
// one with its mode. Without Commit nothing is left.
func TestCommit(t *testing.T) {
	for way, create := range creates {
		t.Run(way, func(t *testing.T) {
			dir := t.TempDir()
			name := strings.Repeat("中", 83) + ".csv" // 253 bytes
			path := filepath.Join(dir, name)
			for _, text := range []string{"one", "two"} {
				f, err := create(path)
				require.NoError(t, err)
				write(t, f, text)
				require.Equal(t, []string{name}, names(t, dir))
				b, err := os.ReadFile(path)
				require.NoError(t, err)
				require.Equal(t, text, string(b))
				require.NoError(t, os.Chmod(path, 0o640))
			}
			info, err := os.Stat(path)
			require.NoError(t, err)
			require.Equal(t, os.FileMode(0o640), info.Mode())
			f, err := create(path)
			require.NoError(t, err)
			_, err = f.WriteString("not to be seen")
			require.NoError(t, err)
			require.NoError(t, f.Close())
			require.Equal(t, []string{name}, names(t, dir))
		})
	}
}

// What a killed process has left is removed by the next one that writes this output;
// what a living one writes stays.
func TestLeftover(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "out.csv")
	living, err := createNamed(path)
	require.NoError(t, err)
	for range 3 { // killed before Commit
		f, err := createNamed(path)
		require.NoError(t, err)
		require.NoError(t, f.File.Close()) // as the kernel does
	}
	require.NoError(t, os.WriteFile(path, nil, 0o400))
	f, err := Create(path) // killed between link and rename
	require.NoError(t, err)
	require.NoError(t, f.Chmod(0o400))
	require.NoError(t, link(f.File, HiddenName(path, newSuffix(7))))
	require.Equal(t, []string{".out.csv.handoff-new-0", ".out.csv.handoff-new-7", "out.csv"}, names(t, dir), "the first of them has removed those before it")
	require.NoError(t, f.File.Close())

	require.NoError(t, os.Mkdir(HiddenName(path, newSuffix(3)), 0o700)) // not ours
	f, err = Create(path)
	require.NoError(t, err)
	require.Equal(t, []string{".out.csv.handoff-new-0", ".out.csv.handoff-new-3", "out.csv"}, names(t, dir))
	write(t, f, "second")
	write(t, living, "first")
	require.Equal(t, []string{".out.csv.handoff-new-3", "out.csv"}, names(t, dir))
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, "first", string(b))
}

// Many that write one output at once do not get into each other's way.
func TestManyWriters(t *testing.T) {
	for way, create := range creates {
		t.Run(way, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "out")
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					for n := range 50 {
						f, err := create(path)
						if err == nil {
							_, err = fmt.Fprintf(f, "%d %d\n", i, n)
						}
						if err == nil {
							err = f.Commit()
						}
						if err == nil {
							err = f.Close()
						}
						if err != nil {
							t.Errorf("writer %d: %v", i, err)
							return
						}
					}
				})
			}
			wg.Wait()
			require.Equal(t, []string{"out"}, names(t, dir))
			b, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Regexp(t, `^\d 49\n$`, string(b))
		})
	}
}
