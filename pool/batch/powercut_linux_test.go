package batch_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
	"example.com/handoff/pool/journal"
	"example.com/handoff/pool/journal/journaltest"
)

// folders makes the folders down to a real one in a file system in memory.
func folders(t *testing.T, fs journal.FS, dir string) {
	t.Helper()
	path := "/"
	for part := range strings.SplitSeq(strings.Trim(dir, "/"), "/") {
		path = filepath.Join(path, part)
		require.NoError(t, fs.Mkdir(path, 0o700))
		require.NoError(t, fs.SyncDir(filepath.Dir(path)))
	}
}

func readFile(t *testing.T, fs journal.FS, name string) string {
	t.Helper()
	f, err := fs.OpenFile(name, os.O_RDONLY, 0)
	require.NoError(t, err)
	defer f.Close()
	b, err := io.ReadAll(f)
	require.NoError(t, err)
	return string(b)
}

// Whatever of the unsynced writes a loss of power at any moment leaves, the resumed
// job gives the same bytes, and the folders hold nothing but the output.
func TestPowerCut(t *testing.T) {
	for _, tt := range []struct{ op, out string }{{"zscore", "z.csv"}, {"rolling:window=60", "r.arrow"}, {"describe", "d.json"}} {
		t.Run(tt.op[:5], func(t *testing.T) {
			tr := newTrial(t, tt.op, tt.out, 400)
			job := tr.job()
			job.Pool.Isolation = pool.Goroutine
			run := func(fs journal.FS, resume bool) error {
				job := job
				job.Resume = resume
				job.FS = fs
				_, err := batch.Run(context.Background(), job)
				return err
			}
			whole := journaltest.NewPowerCut()
			folders(t, whole, tr.Dir)
			require.NoError(t, run(whole, false))
			want := readFile(t, whole, job.Out)

			power := errors.New("no power")
			fractions := []float64{0, 0.1, 0.5, 0.9}
			seeds, stride := 1, 3
			if soak() {
				seeds, stride = 20, 1
			}
			cuts := 0
			for n := 1; ; n += stride {
				fs := journaltest.NewPowerCut()
				folders(t, fs, tr.Dir)
				tap := journaltest.FailFrom(fs, n, power)
				if err := run(tap, false); err != nil { // the output had no name yet
					require.ErrorIs(t, err, power)
				} else if len(tap.Ops()) < n {
					break
				}
				for _, keep := range fractions {
					for seed := range seeds {
						image := fs.Image(uint64(n*1000+seed), keep)
						require.NoError(t, run(image, true), "cut at operation %d, %v kept", n, keep)
						require.Equal(t, want, readFile(t, image, job.Out), "cut at operation %d, %v kept", n, keep)
						names, err := image.ReadDir(tr.Dir)
						require.NoError(t, err)
						for _, e := range names {
							require.Equal(t, tt.out, e.Name(), "cut at operation %d, %v kept", n, keep)
						}
						cuts++
					}
				}
			}
			require.Greater(t, cuts, 20)
			t.Logf("%d cuts", cuts)
		})
	}
}
