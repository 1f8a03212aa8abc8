package batch_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/batch"
	"example.com/handoff/pool/journal"
	"example.com/handoff/pool/journal/journaltest"
)

func background() context.Context { return context.Background() }

// stopped is a job that a full disk has stopped after some chunks.
func stopped(t *testing.T, op, out string) trial {
	t.Helper()
	tr := newTrial(t, op, out, 600)
	job := tr.job()
	fs := journaltest.FailFrom(journal.OS(), 4, syscall.ENOSPC, "sync")
	job.FS = fs
	_, err := batch.Run(background(), job)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NoFileExists(t, job.Out)
	require.FileExists(t, filepath.Join(job.State, "journal"))
	return tr
}

// What is not the same job is refused, says what differs, and overwrites nothing.
func TestResumeRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(t *testing.T, tr trial, job *batch.Job)
		err    string
	}{
		"another op":        {func(_ *testing.T, _ trial, j *batch.Job) { j.Op = "zscore" }, "the op was twice:log="},
		"another parameter": {func(_ *testing.T, _ trial, j *batch.Job) { j.Op += ",fails=9" }, "fails=-1"},
		"other chunks":      {func(_ *testing.T, _ trial, j *batch.Job) { j.ChunkRows = 51 }, "rows of a chunk was 50, is 51"},
		"other columns":     {func(_ *testing.T, _ trial, j *batch.Job) { j.Columns = []string{"n"} }, "choice of columns was all, is n"},
		"another output": {func(_ *testing.T, _ trial, j *batch.Job) {
			j.Out = strings.Replace(j.Out, "out.csv", "new.csv", 1)
		}, "new.csv"},
		"another input": {func(t *testing.T, tr trial, j *batch.Job) {
			b, err := os.ReadFile(j.Inputs[0])
			require.NoError(t, err)
			j.Inputs[0] = filepath.Join(tr.Dir, "copy.csv")
			require.NoError(t, os.WriteFile(j.Inputs[0], b, 0o600))
		}, "copy.csv"},
		"one input more": {func(_ *testing.T, _ trial, j *batch.Job) { j.Inputs = append(j.Inputs, j.Inputs[0]) }, "number of inputs was 1, is 2"},
		"an edited input": {func(t *testing.T, tr trial, j *batch.Job) {
			f, err := os.OpenFile(j.Inputs[0], os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.WriteAt([]byte("7"), 2)
			require.NoError(t, errors.Join(err, f.Close()))
		}, "its content is another"},
		"a longer input": {func(t *testing.T, tr trial, j *batch.Job) {
			f, err := os.OpenFile(j.Inputs[0], os.O_WRONLY|os.O_APPEND, 0)
			require.NoError(t, err)
			_, err = f.WriteString("600\n")
			require.NoError(t, errors.Join(err, f.Close()))
		}, "size"},
		"no resume": {func(_ *testing.T, _ trial, j *batch.Job) { j.Resume = false }, "resume that job"},
		"a file instead of a folder": {func(t *testing.T, tr trial, j *batch.Job) {
			j.State = filepath.Join(tr.Dir, "in.csv")
		}, "not a folder"},
		"a foreign journal": {func(t *testing.T, tr trial, j *batch.Job) {
			require.NoError(t, os.WriteFile(filepath.Join(j.State, "journal"), []byte(strings.Repeat("something else ", 100)), 0o600))
		}, "not a journal of handoff"},
		"a journal of another program": {func(t *testing.T, tr trial, j *batch.Job) {
			j.State = filepath.Join(tr.Dir, "other")
			other, err := journal.Create(j.State, []byte("not JSON"), nil)
			require.NoError(t, err)
			require.NoError(t, other.Close())
		}, "makes no sense"},
		"a later version": {func(t *testing.T, tr trial, j *batch.Job) {
			j.State = filepath.Join(tr.Dir, "other")
			other, err := journal.Create(j.State, []byte(`{"version":3}`), nil)
			require.NoError(t, err)
			require.NoError(t, other.Close())
		}, "version 3, expected 2"},
		"a head that was written over": {func(t *testing.T, tr trial, j *batch.Job) {
			temps, err := filepath.Glob(filepath.Join(tr.Dir, ".out.csv.handoff-*"))
			require.NoError(t, err)
			require.Len(t, temps, 1)
			f, err := os.OpenFile(temps[0], os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.WriteAt([]byte("m"), 0)
			require.NoError(t, errors.Join(err, f.Close()))
		}, "its first 2 bytes are not what was written there"},
		"rows that are gone": {func(t *testing.T, tr trial, j *batch.Job) {
			temps, err := filepath.Glob(filepath.Join(tr.Dir, ".out.csv.handoff-*"))
			require.NoError(t, err)
			require.Len(t, temps, 1)
			require.NoError(t, os.Remove(temps[0]))
		}, "which has the rows that are done, is gone"},
		"rows that were written over": {func(t *testing.T, tr trial, j *batch.Job) {
			temps, err := filepath.Glob(filepath.Join(tr.Dir, ".out.csv.handoff-*"))
			require.NoError(t, err)
			require.Len(t, temps, 1)
			f, err := os.OpenFile(temps[0], os.O_WRONLY, 0)
			require.NoError(t, err)
			_, err = f.WriteAt([]byte("x"), 5)
			require.NoError(t, errors.Join(err, f.Close()))
		}, "are not what was written there"},
	} {
		t.Run(name, func(t *testing.T) {
			tr := stopped(t, "twice:log=LOG", "out.csv")
			job := tr.job()
			job.Resume = true
			tt.change(t, tr, &job)
			before := snapshot(t, tr.Dir)
			_, err := batch.Run(background(), job)
			require.ErrorContains(t, err, tt.err)
			require.Equal(t, before, snapshot(t, tr.Dir))
		})
	}
}

// snapshot is what is in a folder and its folders, by name.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			b, err := os.ReadFile(path)
			all[path] = string(b)
			return err
		}
		return err
	}))
	return all
}

// An input that was touched, or copied and put back, is the same one.
func TestResumeWithTheSameContent(t *testing.T) {
	tr := stopped(t, "twice:log=LOG", "out.csv")
	in := filepath.Join(tr.Dir, "in.csv")
	b, err := os.ReadFile(in)
	require.NoError(t, err)
	require.NoError(t, os.Remove(in))
	require.NoError(t, os.WriteFile(in, b, 0o600))
	job := tr.job()
	job.Resume = true
	res, err := batch.Run(background(), job)
	require.NoError(t, err)
	require.Positive(t, res.Summary.ChunksReused)
	tr.nothingLeft(t)
}

func TestResumeFromTheStart(t *testing.T) {
	tr := newTrial(t, "twice:log=LOG", "out.csv", 600)
	job := tr.job()
	job.Resume, job.KeepState = true, true
	res, err := batch.Run(background(), job)
	require.NoError(t, err)
	require.True(t, res.FromStart)
	require.Zero(t, res.Summary.ChunksReused)

	require.NoError(t, os.Remove(filepath.Join(tr.Dir, "log")))
	res, err = batch.Run(background(), job)
	require.NoError(t, err)
	require.True(t, res.Finished)
	require.False(t, res.FromStart)
	require.EqualValues(t, 12, res.Summary.ChunksReused)
	require.Empty(t, tr.executed(t, 0))

	require.NoError(t, os.WriteFile(job.Out, []byte("mine"), 0o600))
	_, err = batch.Run(background(), job)
	require.ErrorContains(t, err, "is another file")
	require.Equal(t, "mine", tr.output(t))
	require.NoError(t, os.Remove(job.Out))
	_, err = batch.Run(background(), job)
	require.ErrorContains(t, err, "is not there any more")
}

// The state folder of a job that has failed before its first chunk was committed is
// in nobody's way.
func TestFailedEarly(t *testing.T) {
	tr := newTrial(t, "rolling", "out.csv", 10)
	job := tr.job()
	job.Columns = []string{"m"}
	_, err := batch.Run(background(), job)
	require.ErrorContains(t, err, "\"m\"")
	require.NoDirExists(t, job.State)
	_, err = batch.Run(background(), tr.job())
	require.NoError(t, err)
	tr.nothingLeft(t)
}

// Two supervisors cannot have one state folder; when the first has died, by whatever,
// the second may.
func TestTwoSupervisors(t *testing.T) {
	tr := newTrial(t, "twice:log=LOG", "out.csv", 5000)
	tr.KillTime = 5 * time.Second
	done := make(chan bool)
	go func() {
		_, killed := tr.start(t)
		done <- killed
	}()
	require.Eventually(t, func() bool { return len(tr.executed(t, 0)) > 0 }, 10*time.Second, time.Millisecond)
	second := tr.job()
	second.Resume = true
	_, err := batch.Run(background(), second)
	var locked *journal.LockedError
	if errors.As(err, &locked) {
		require.NotZero(t, locked.PID)
		require.NotEqual(t, os.Getpid(), locked.PID)
		require.ErrorContains(t, err, fmt.Sprint(locked.PID))
		require.NoError(t, syscall.Kill(locked.PID, syscall.SIGKILL))
	} else {
		require.NoError(t, err) // the first was done
	}
	killed := <-done
	if locked != nil {
		require.True(t, killed)
		require.Eventually(t, func() bool {
			_, err = batch.Run(background(), second)
			return err == nil
		}, 10*time.Second, 10*time.Millisecond, "%v", err)
	}
	tr.nothingLeft(t)
	require.Equal(t, 5001, strings.Count(tr.output(t), "\n"))
}

// A disk that is full at any write or sync stops the job, with nothing lost; when there is room, it
// goes on.
func TestFullDisk(t *testing.T) {
	for _, kind := range []string{"write", "sync", "open", "rename", "syncdir"} {
		t.Run(kind, func(t *testing.T) {
			for n := 1; ; n++ {
				tr := newTrial(t, "twice:log=LOG", "out.csv", 600)
				job := tr.job()
				job.FS = journaltest.FailFrom(journal.OS(), n, syscall.ENOSPC, kind)
				_, err := batch.Run(background(), job)
				if err == nil {
					require.Greater(t, n, 1)
					break
				}
				require.ErrorIs(t, err, syscall.ENOSPC)
				job = tr.job()
				job.Resume = true
				committed := tr.committed(t)
				require.NoError(t, os.RemoveAll(filepath.Join(tr.Dir, "log")))
				_, err = batch.Run(background(), job)
				require.NoError(t, err, "full at %s %d", kind, n)
				require.Equal(t, 601, strings.Count(tr.output(t), "\n"))
				again := tr.executed(t, 0)
				for _, c := range committed {
					require.Zero(t, again[c[1]])
				}
			}
		})
	}
}

// A chunk that fails ends the others, lets those that run end, or all; what is done is kept.
func TestHalt(t *testing.T) {
	for halt, least := range map[batch.Halt]int{batch.HaltNow: 0, batch.HaltSoon: 1, batch.HaltNever: 19} {
		t.Run(string(halt), func(t *testing.T) {
			tr := newTrial(t, "twice:log=LOG,fails=210", "out.csv", 1000)
			job := tr.job()
			job.Halt = halt
			_, err := batch.Run(background(), job)
			require.ErrorContains(t, err, "thirteen")
			committed := tr.committed(t)
			require.GreaterOrEqual(t, len(committed), least)
			require.NotContains(t, committed, [2]int64{0, 4})
			if halt == batch.HaltNever {
				require.Len(t, committed, 19)
				require.ErrorContains(t, err, "rows 200 to 250")
			}
			require.NoError(t, os.WriteFile(filepath.Join(tr.Dir, "repaired"), nil, 0o600))
			require.NoError(t, os.Remove(filepath.Join(tr.Dir, "log")))
			job.Resume = true
			res, err := batch.Run(background(), job)
			require.NoError(t, err)
			require.EqualValues(t, len(committed), res.Summary.ChunksReused)
			lines := strings.Split(strings.TrimSpace(tr.output(t)), "\n")
			require.Len(t, lines, 1001)
			for i, line := range lines[1:] {
				require.Equal(t, fmt.Sprint(2*i), line)
			}
			tr.nothingLeft(t)
		})
	}
}

func TestDrain(t *testing.T) {
	tr := newTrial(t, "twice:log=LOG", "out.csv", 100_000)
	job := tr.job()
	drain := make(chan struct{})
	job.Drain = drain
	job.Progress = func(p batch.Progress) {
		if p.Rows == 1000 {
			close(drain)
		}
	}
	_, err := batch.Run(background(), job)
	require.ErrorIs(t, err, batch.ErrDrained)
	committed := tr.committed(t)
	require.NotEmpty(t, committed)
	require.Less(t, len(committed), 2000)
	for chunk := range tr.executed(t, 0) { // what ran was finished
		require.Contains(t, committed, [2]int64{0, chunk})
	}
	job.Drain, job.Progress, job.Resume = nil, nil, true
	res, err := batch.Run(background(), job)
	require.NoError(t, err)
	require.EqualValues(t, len(committed), res.Summary.ChunksReused)
	require.Equal(t, 100_001, strings.Count(tr.output(t), "\n"))
}

// Three rows that kill their workers are left out and written to a file; done again when the op is
// repaired, they are what was missing.
func TestQuarantine(t *testing.T) {
	for _, kill := range []bool{false, true} {
		for _, ext := range []string{".csv", ".arrow"} {
			tr := newTrial(t, "twice:log=LOG,kills=7/310/599", "out.csv", 600)
			file := filepath.Join(tr.Dir, "left"+ext)
			job := tr.job()
			job.Quarantine, job.QuarantineFile = 10, file
			if kill { // half of it by an earlier run
				job.FS = journaltest.FailFrom(journal.OS(), 4, syscall.ENOSPC, "sync")
				_, err := batch.Run(background(), job)
				require.ErrorIs(t, err, syscall.ENOSPC)
				job.FS = nil
				job.Resume = true
			}
			res, err := batch.Run(background(), job)
			require.NoError(t, err)
			require.EqualValues(t, 3, res.Summary.Quarantined)
			require.EqualValues(t, 597, res.Summary.Rows)
			require.Len(t, res.Quarantined, 3)
			require.EqualValues(t, 310, res.Quarantined[1].Row)
			require.NotEmpty(t, res.Quarantined[0].Reason)

			require.NoError(t, os.WriteFile(filepath.Join(tr.Dir, "repaired"), nil, 0o600))
			rest := job
			rest.Inputs, rest.Out, rest.State, rest.Quarantine, rest.QuarantineFile, rest.Resume = []string{file}, filepath.Join(tr.Dir, "rest.csv"), "", 0, "", false
			_, err = batch.Run(background(), rest)
			require.NoError(t, err)
			b, err := os.ReadFile(rest.Out)
			require.NoError(t, err)
			require.Equal(t, "n\n14\n620\n1198\n", string(b))
			union := append(strings.Fields(tr.output(t))[1:], strings.Fields(string(b))[1:]...)
			require.Len(t, union, 600)
			for i := range 600 {
				require.True(t, slices.Contains(union, fmt.Sprint(2*i)))
			}
		}
	}
}

func TestInputQuarantine(t *testing.T) {
	tr := newTrial(t, "twice:log=LOG", "out.csv", 600)
	in := filepath.Join(tr.Dir, "in.csv")
	b, err := os.ReadFile(in)
	require.NoError(t, err)
	text := strings.NewReplacer("\n100\n", "\n100\none, two\n", "\n599\n", "\n599\nx\n").Replace(string(b))
	require.NoError(t, os.WriteFile(in, []byte(text), 0o600))
	job := tr.job()
	_, err = batch.Run(background(), job)
	require.ErrorContains(t, err, "in.csv:103")
	require.NoError(t, os.RemoveAll(job.State))
	job.InputQuarantine = filepath.Join(tr.Dir, "bad.csv")
	job.FS = journaltest.FailFrom(journal.OS(), 4, syscall.ENOSPC, "sync")
	_, err = batch.Run(background(), job)
	require.ErrorIs(t, err, syscall.ENOSPC)
	job.FS = nil
	job.Resume = true
	res, err := batch.Run(background(), job)
	require.NoError(t, err)
	require.EqualValues(t, 2, res.Summary.Unparsed)
	b, err = os.ReadFile(job.InputQuarantine)
	require.NoError(t, err)
	require.Equal(t, fmt.Sprintf("file,line,text\n%s,103,\"one, two\"\n%s,603,x\n", in, in), string(b))
	require.Equal(t, 601, strings.Count(tr.output(t), "\n"))
}

// Whoever cuts, removes or replaces the hidden file of a running job does not get it
// as the output.
func TestHiddenFileIsTouched(t *testing.T) {
	for name, touch := range map[string]func(file string) error{
		"cut":     func(file string) error { return os.Truncate(file, 10) },
		"longer":  func(file string) error { return os.Truncate(file, 1<<20) },
		"removed": os.Remove,
		"replaced": func(file string) error {
			return errors.Join(os.WriteFile(file+"x", []byte("x"), 0o600), os.Rename(file+"x", file))
		},
	} {
		t.Run(name, func(t *testing.T) {
			tr := newTrial(t, "twice:log=LOG", "out.csv", 20_000)
			job := tr.job()
			touched := false
			job.Progress = func(p batch.Progress) {
				if p.Rows >= 10_000 && !touched {
					temps, err := filepath.Glob(filepath.Join(tr.Dir, ".out.csv.handoff-*"))
					require.NoError(t, err)
					require.Len(t, temps, 1)
					time.Sleep(50 * time.Millisecond) // what is done is written: between a look and a write it is not noticed
					require.NoError(t, touch(temps[0]))
					touched = true
				}
			}
			_, err := batch.Run(background(), job)
			require.ErrorContains(t, err, "start again")
			require.NoFileExists(t, job.Out)
		})
	}
}

// An input that changes between two passes, or while it is read, is an error.
func TestChangingInput(t *testing.T) {
	tr := newTrial(t, "zscore", "out.csv", 6000)
	job := tr.job()
	job.State = ""
	job.Progress = func(p batch.Progress) {
		if p.Pass == 0 && p.Rows == 6000 {
			f, err := os.OpenFile(job.Inputs[0], os.O_WRONLY|os.O_APPEND, 0)
			require.NoError(t, err)
			fmt.Fprintln(f, 6000)
			require.NoError(t, f.Close())
		}
	}
	_, err := batch.Run(background(), job)
	require.ErrorContains(t, err, "changed")
	require.NoFileExists(t, job.Out)
}
