package batch_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool"
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
			require.NoError(t, os.WriteFile(filepath.Join(whole.Dir, "repaired"), nil, 0o600))
			_, err := batch.Run(context.Background(), whole.job())
			require.NoError(t, err)

			tr := newTrial(t, op, out, 600)
			tr.spoil(t, "50", "120", "330")
			tr.LeaveOut = true
			job := tr.job()
			job.Halt = batch.HaltNever // so that chunks are committed
			_, err = batch.Run(context.Background(), job)
			require.ErrorContains(t, err, "thirteen")
			require.NoError(t, os.WriteFile(filepath.Join(tr.Dir, "repaired"), nil, 0o600))

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

// All inputs are looked at before the work on the first begins.
func TestInputsAreLookedAtFirst(t *testing.T) {
	d := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(d, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	first := write("1.csv", "a,b\n"+strings.Repeat("1,2\n", 1000))
	for name, want := range map[string]string{
		"":                         "empty file",
		"a,b,c\n1,2,3\n":           "3 numeric columns, expected the 2 of",
		"a,c\n1,2\n":               `column "c"`,
		"a,b\n1,x\n":               "1 numeric columns",
		"1,2\n3,4\n":               "no header",
		"a,b\n1,2\nx,3\n":          "2.csv:3",
		"a,b\n1,2\n1\n":            "2.csv:3: expected 2 fields, found 1",
		"\x1f\x8b\x08\x00\x00\x00": "gzip",
	} {
		job := batch.Job{
			Inputs: []string{first, write("2.csv", name), first}, Op: "twice:log=" + filepath.Join(d, "log"), Out: filepath.Join(d, "out.csv"),
			ChunkRows: 10, Pool: pool.Options{Workers: 1}, Progress: func(batch.Progress) { t.Error("a chunk was done") },
		}
		_, err := batch.Run(context.Background(), job)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "2.csv")
		require.NoFileExists(t, filepath.Join(d, "log"))
	}
	// What is no number at all is no input, also where that is seen late.
	for text, want := range map[string]string{
		"a,t\nx,y\n": `2.csv: no column holds numbers; column "a" is text: its first value is "x" in line 2; column "t" is text`,
		"a,t\n" + strings.Repeat(",\n", 40<<10) + "x,y\n": `2.csv: no column holds numbers; column "a" is text: its first value is "x" in line 40962; column "t" is text`,
	} {
		for out, op := range map[string]string{"": "describe", "out.csv": "zscore"} {
			if out != "" {
				out = filepath.Join(d, out)
			}
			_, err := batch.Run(context.Background(), batch.Job{Inputs: []string{write("2.csv", text)}, Op: op, Out: out, Pool: pool.Options{Workers: 1, Isolation: pool.Goroutine}})
			require.ErrorContains(t, err, want)
		}
	}
}
