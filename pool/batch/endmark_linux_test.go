package batch_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
	"example.com/handoff/pool/journal"
)

// A stream without its end mark is told by whoever finishes the job, also where an
// earlier run has read it.
func TestInputWithoutEndMark(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	stream, err := os.ReadFile("../../testdata/small.stream")
	require.NoError(t, err)
	dir := t.TempDir()
	job := batch.Job{
		Inputs: []string{filepath.Join(dir, "whole.arrows"), filepath.Join(dir, "cut.arrows")}, Op: "describe",
		Out: filepath.Join(dir, "out.json"), State: filepath.Join(dir, "state"), KeepState: true,
	}
	job.Pool.Isolation, job.Pool.Workers = pool.Goroutine, 1
	require.NoError(t, os.WriteFile(job.Inputs[0], stream, 0o600))
	require.NoError(t, os.WriteFile(job.Inputs[1], stream[:len(stream)-8], 0o600))
	res, err := batch.Run(background(), job)
	require.NoError(t, err)
	require.Equal(t, job.Inputs[1:], res.Summary.NoEndMark)
	require.Equal(t, int64(40), res.Summary.Rows)

	job.Resume = true
	res, err = batch.Run(background(), job)
	require.NoError(t, err)
	require.True(t, res.Finished)
	require.Equal(t, job.Inputs[1:], res.Summary.NoEndMark)

	// As if the first run had died between the end of its pass and the output.
	old, err := journal.Open(job.State, nil)
	require.NoError(t, err)
	job.State = filepath.Join(dir, "again")
	j, err := journal.Create(job.State, old.Header(), nil)
	require.NoError(t, err)
	for rec, err := range old.Records() {
		require.NoError(t, err)
		if rec[0] == 'C' || rec[0] == 'P' {
			require.NoError(t, j.Append(bytes.Clone(rec)))
		}
	}
	require.NoError(t, j.Sync())
	require.NoError(t, j.Close())
	require.NoError(t, old.Close())
	res, err = batch.Run(background(), job)
	require.NoError(t, err)
	require.False(t, res.Finished)
	require.Equal(t, res.Summary.Chunks, res.Summary.ChunksReused)
	require.Equal(t, job.Inputs[1:], res.Summary.NoEndMark)
}
