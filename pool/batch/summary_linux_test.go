package batch_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/batch"
)

// Chunks are counted once, however many passes go over them; what was done before is
// counted in each pass.
func TestSummaryOfPasses(t *testing.T) {
	tr := newTrial(t, "zscore", "z.csv", 600)
	job := tr.job()
	job.KeepState = true
	res, err := batch.Run(background(), job)
	require.NoError(t, err)
	s := res.Summary
	require.Equal(t, []any{int64(600), int64(12), 2, int64(0)}, []any{s.Rows, s.Chunks, s.Passes, s.ChunksReused})

	job.Resume = true
	res, err = batch.Run(background(), job)
	require.NoError(t, err)
	require.True(t, res.Finished)
	s = res.Summary
	require.Equal(t, []any{int64(600), int64(12), 2, int64(24)}, []any{s.Rows, s.Chunks, s.Passes, s.ChunksReused})
}
