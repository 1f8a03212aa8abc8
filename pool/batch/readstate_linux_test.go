package batch_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/batch"
	"example.com/handoff/pool/journal"
)

// What a killed job has done can be read, and reading it changes nothing.
func TestReadState(t *testing.T) {
	tr := newTrial(t, "twice:log=LOG", "out.csv", 600)
	t.Setenv("TMPDIR", "/none") // nothing is copied that a kill would leave
	dir := filepath.Join(tr.Dir, "state")
	_, err := batch.ReadState(dir)
	require.ErrorIs(t, err, journal.ErrNone)

	tr.Keep = true
	for tr.KillAt = 30; ; tr.KillAt += 3 { // some chunks are done, and not all
		_, killed := tr.start(t)
		require.True(t, killed)
		s, err := batch.ReadState(dir)
		require.NoError(t, err)
		if committed(s) > 0 {
			break
		}
		tr.Resume = true
	}
	before, err := os.ReadFile(filepath.Join(dir, "journal"))
	require.NoError(t, err)
	s, err := batch.ReadState(dir)
	require.NoError(t, err)
	after, err := os.ReadFile(filepath.Join(dir, "journal"))
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.Len(t, s.Passes, 1)
	require.Equal(t, []string{filepath.Join(tr.Dir, "in.csv")}, s.Inputs)
	require.Equal(t, filepath.Join(tr.Dir, "out.csv"), s.Out)
	require.Equal(t, committed(s)*rowsOfChunk, s.Passes[0].Rows)
	require.False(t, s.Finished)
	require.Len(t, tr.committed(t), int(committed(s)))

	tr.KillAt, tr.Resume = 0, true
	_, killed := tr.start(t)
	require.False(t, killed)
	s, err = batch.ReadState(dir)
	require.NoError(t, err)
	require.True(t, s.Sealed)
	require.True(t, s.Finished)
	require.True(t, s.Passes[0].Ended)
	require.Equal(t, int64(600/rowsOfChunk), s.Passes[0].Whole)
	for i, index := range s.Passes[0].Chunks {
		require.Equal(t, int64(i), index)
	}

	// A chunk that is there again is told, which Run refuses.
	j, err := journal.Open(dir, nil)
	require.NoError(t, err)
	for rec, err := range j.Records() {
		require.NoError(t, err)
		if rec[0] == 'C' {
			require.NoError(t, j.Append(append([]byte(nil), rec...)))
			break
		}
	}
	require.NoError(t, j.Close())
	s, err = batch.ReadState(dir)
	require.NoError(t, err)
	require.Equal(t, int64(600/rowsOfChunk+1), committed(s))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "journal"), []byte("nothing of ours"), 0o600))
	_, err = batch.ReadState(dir)
	require.ErrorIs(t, err, journal.ErrForeign)
}

// committed counts the chunks that are done, in all passes.
func committed(s *batch.State) (n int64) {
	for _, p := range s.Passes {
		n += int64(len(p.Chunks))
	}
	return n
}
