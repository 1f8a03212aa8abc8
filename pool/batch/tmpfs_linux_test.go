package batch_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool/batch"
	"example.com/handoff/shm/shmtest"
)

// A job whose state lies on a file system of 1 MiB stops when that is full, and is
// finished after somebody has made room.
func TestStateOnSmallTmpfs(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	for _, room := range []int{8 << 10, 64 << 10, 200 << 10} {
		tr := newTrial(t, "describe", "d.json", 100_000)
		whole := tr.job()
		whole.State = ""
		_, err := batch.Run(background(), whole)
		require.NoError(t, err)
		want := tr.output(t)
		require.NoError(t, os.Remove(whole.Out))

		dir := t.TempDir()
		require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"))
		t.Cleanup(func() { unix.Unmount(dir, 0) })
		ballast := filepath.Join(dir, "ballast")
		require.NoError(t, os.WriteFile(ballast, make([]byte, 1<<20-room), 0o600))
		job := tr.job()
		job.State = filepath.Join(dir, "state")
		job.Progress = func(batch.Progress) { time.Sleep(200 * time.Microsecond) } // so that it is several groups
		_, err = batch.Run(background(), job)
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.NoFileExists(t, job.Out)

		require.NoError(t, os.Remove(ballast))
		job.Resume, job.Progress = true, nil
		res, err := batch.Run(background(), job)
		require.NoError(t, err)
		require.Equal(t, want, tr.output(t))
		if room > 8<<10 {
			require.Positive(t, res.Summary.ChunksReused)
		}
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}
