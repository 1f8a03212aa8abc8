package batch_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool/batch"
)

// spoil puts lines that cannot be parsed ahead of these rows.
func (tr trial) spoil(t *testing.T, rows ...string) {
	t.Helper()
	in := filepath.Join(tr.Dir, "in.csv")
	b, err := os.ReadFile(in)
	require.NoError(t, err)
	text := string(b)
	for _, row := range rows {
		text = strings.Replace(text, "\n"+row+"\n", "\nNA\n"+row+"\n", 1)
	}
	require.NoError(t, os.WriteFile(in, []byte(text), 0o600))
}

// A job that has left lines out leaves them out when it is resumed, also where it is
// not told so again: its chunks were cut without them.
func TestResumeLeavesOutWhatWasLeftOut(t *testing.T) {
	for out, op := range map[string]string{"out.csv": "twice:log=LOG,fails=401", "out.json": "twice:log=LOG,fails=401,reduce=yes"} {
		t.Run(out, func(t *testing.T) {
			whole := newTrial(t, op, out, 600)
			require.NoError(t, os.WriteFile(filepath.Join(whole.Dir, "mended"), nil, 0o600))
			_, err := batch.Run(context.Background(), whole.job())
			require.NoError(t, err)

			tr := newTrial(t, op, out, 600)
			tr.spoil(t, "50", "120", "330")
			tr.LeaveOut = true
			job := tr.job()
			job.Halt = batch.HaltNever // so that chunks are committed
			_, err = batch.Run(context.Background(), job)
			require.ErrorContains(t, err, "thirteen")
			require.NoError(t, os.WriteFile(filepath.Join(tr.Dir, "mended"), nil, 0o600))

			tr.LeaveOut, tr.Resume, tr.Keep = false, true, true
			for _, finished := range []bool{false, true} {
				res, err := batch.Run(context.Background(), tr.job())
				require.NoError(t, err)
				require.Equal(t, whole.output(t), tr.output(t))
				in := filepath.Join(tr.Dir, "in.csv")
				require.Equal(t, []batch.Unparsed{{Input: in, Line: 52}, {Input: in, Line: 123}, {Input: in, Line: 334}}, res.Unparsed)
				require.EqualValues(t, 3, res.Summary.Unparsed)
				require.Equal(t, finished, res.Finished)
				require.Positive(t, res.Summary.ChunksReused)
			}
		})
	}
}

// Killed at any step and resumed without a word about bad lines, the job gives the
// same bytes, or stops at a line of which nothing depends yet and goes on when it is told.
func TestLeftOutLinesSurviveKills(t *testing.T) {
	tr := newTrial(t, "twice:log=LOG,reduce=yes", "out.json", 300)
	tr.spoil(t, "1", "100", "299")
	tr.LeaveOut = true
	_, killed := tr.start(t)
	require.False(t, killed)
	want, stopped, silent := tr.output(t), 0, 0
	for n := 2; ; n += 3 {
		again := newTrial(t, tr.Op, tr.Out, 300)
		again.spoil(t, "1", "100", "299")
		again.LeaveOut, again.KillAt = true, n
		if _, killed := again.start(t); !killed {
			break
		}
		again.LeaveOut, again.KillAt, again.Resume = false, 0, true
		res, err := batch.Run(context.Background(), again.job())
		if err != nil {
			stopped++
			var row *files.RowError
			require.ErrorAs(t, err, &row)
			again.LeaveOut = true
			res, err = batch.Run(context.Background(), again.job())
		} else {
			silent++
		}
		require.NoError(t, err)
		require.EqualValues(t, 3, res.Summary.Unparsed, "killed at operation %d", n)
		require.Equal(t, want, again.output(t), "killed at operation %d", n)
	}
	require.Positive(t, stopped)
	require.Positive(t, silent)
}
