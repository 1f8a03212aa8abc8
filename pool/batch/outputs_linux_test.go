package batch_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
	"example.com/handoff/pool/journal"
	"example.com/handoff/pool/journal/journaltest"
	"example.com/handoff/shm/shmtest"
)

// quick is the job of a trial without worker processes.
func (tr trial) quick() batch.Job {
	job := tr.job()
	job.Pool.Isolation = pool.Goroutine
	return job
}

// A link stays and what it leads to is made, also where that is not there yet.
func TestOutputBehindALink(t *testing.T) {
	for _, op := range []string{"zscore", "describe"} {
		for _, state := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s state=%v", op, state), func(t *testing.T) {
				tr := newTrial(t, op, "out.csv", 100)
				scratch := t.TempDir()
				target := filepath.Join(scratch, "target.csv")
				job := tr.quick()
				if !state {
					job.State = ""
				}
				require.NoError(t, os.Symlink(target, job.Out))
				for range 2 {
					_, err := batch.Run(background(), job)
					require.NoError(t, err)
					got, err := os.Readlink(job.Out)
					require.NoError(t, err)
					require.Equal(t, target, got)
					require.FileExists(t, target)
				}
				tr.nothingLeft(t)
				left, err := os.ReadDir(scratch)
				require.NoError(t, err)
				require.Len(t, left, 1)
			})
		}
	}
}

// What cannot be written is found before the work, and so is a file with two names.
func TestOutputsAreLookedAtFirst(t *testing.T) {
	tr := newTrial(t, "twice:log=LOG", "out.csv", 100)
	at := func(name string) string { return filepath.Join(tr.Dir, name) }
	require.NoError(t, unix.Mkfifo(at("fifo.csv"), 0o600))
	require.NoError(t, os.Symlink(at("none/x.csv"), at("dangling.csv")))
	require.NoError(t, os.Symlink(tr.Dir, at("self")))
	require.NoError(t, os.Link(at("in.csv"), at("hard.csv")))
	before := snapshot(t, tr.Dir)
	fields := map[string]func(*batch.Job) *string{
		"out":              func(j *batch.Job) *string { return &j.Out },
		"quarantine":       func(j *batch.Job) *string { return &j.QuarantineFile },
		"input quarantine": func(j *batch.Job) *string { return &j.InputQuarantine },
	}
	for field, of := range fields {
		for name, want := range map[string]string{
			"fifo.csv": "expected a regular file", "dangling.csv": "no such file", "none/x.csv": "no such file", strings.Repeat("x", 300) + ".csv": "name too long",
			"in.csv": "same file", "self/in.csv": "same file", "hard.csv": "same file", "self/state/journal.lock": "same file",
		} {
			for _, state := range []bool{false, true} {
				if !state && strings.Contains(name, "journal") {
					continue
				}
				job := tr.quick()
				if !state {
					job.State = ""
				} else if strings.Contains(name, "journal") {
					require.NoError(t, os.Mkdir(job.State, 0o700))
				}
				*of(&job) = at(name)
				_, err := batch.Run(background(), job)
				require.ErrorContains(t, err, want, "%s %s", field, name)
				require.Equal(t, before, snapshot(t, tr.Dir), "%s %s", field, name)
				os.Remove(job.State)
			}
		}
		job := tr.quick()
		job.QuarantineFile, job.InputQuarantine = at("q.csv"), at("i.csv")
		*of(&job) = at("self/" + map[string]string{"out": "q", "quarantine": "i", "input quarantine": "out"}[field] + ".csv")
		_, err := batch.Run(background(), job)
		require.ErrorContains(t, err, "same file", field)
	}
	job := tr.quick()
	job.QuarantineFile = at("q.json")
	_, err := batch.Run(background(), job)
	require.ErrorContains(t, err, "q.json")

	for _, op := range []string{"describe", "zscore"} {
		job := tr.quick()
		job.Op = op
		job.FS = journaltest.FailAt(journal.OS(), 1, syscall.EACCES, "syncdir")
		_, err = batch.Run(background(), job)
		require.ErrorContains(t, err, "its folder cannot be synced")
		require.NoDirExists(t, job.State)
	}
	require.Equal(t, before, snapshot(t, tr.Dir))
}

// When the output has its name the job has succeeded, whatever fails from then on; what
// stays is told of, and a later run takes it away.
func TestNothingFailsAfterTheRename(t *testing.T) {
	for _, tt := range []struct {
		op, out string
		keep    bool
	}{{"zscore", "z.csv", false}, {"describe", "d.json", false}, {"zscore", "z.csv", true}} {
		t.Run(fmt.Sprintf("%s keep=%v", tt.op, tt.keep), func(t *testing.T) {
			tr := newTrial(t, tt.op, tt.out, 100)
			tr.Keep = tt.keep
			run := func(fs journal.FS, resume bool) (*batch.Result, error) {
				job := tr.quick()
				job.FS, job.Resume = fs, resume
				return batch.Run(background(), job)
			}
			counted := journaltest.FailAt(journal.OS(), 0, nil)
			res, err := run(counted, false)
			require.NoError(t, err)
			require.Empty(t, res.Warnings)
			want := tr.output(t)
			ops := counted.Ops()
			renamed := 0
			for i, op := range ops {
				if op.Kind == "rename" {
					renamed = i + 1
				}
			}
			require.Equal(t, "."+tt.out, filepath.Base(ops[renamed-1].Name)[:1+len(tt.out)])
			reset := func() {
				require.NoError(t, os.RemoveAll(filepath.Join(tr.Dir, "state")))
				require.NoError(t, os.RemoveAll(filepath.Join(tr.Dir, tt.out)))
			}
			for n := renamed + 1; n <= len(ops); n++ {
				fails := []func(journal.FS, int, error, ...string) *journaltest.Tap{journaltest.FailAt, journaltest.FailFrom}
				if !soak() {
					fails = fails[n%2:][:1]
				}
				for _, fail := range fails {
					reset()
					tap := fail(journal.OS(), n, syscall.EIO)
					res, err := run(tap, false)
					if len(tap.Ops()) < n { // fewer groups than the run that was counted
						require.NoError(t, err)
						continue
					}
					op := tap.Ops()[n-1]
					if err != nil { // more groups: the rename comes later
						require.False(t, slices.ContainsFunc(tap.Ops()[:n-1], func(op journaltest.Op) bool { return op.Kind == "rename" && strings.Contains(op.Name, tt.out) }), "%v: %v", op, err)
						continue
					}
					require.Equal(t, want, tr.output(t), "%v", op)
					if op.Kind != "stat" && op.Kind != "readdir" { // else it was only asked whether something is there
						require.NotEmpty(t, res.Warnings, "%v", op)
					}
					_, err = run(nil, true)
					require.NoError(t, err, "%v", op)
					require.Equal(t, want, tr.output(t), "%v", op)
					if !tt.keep {
						tr.nothingLeft(t)
					}
				}
			}
		})
	}
}

// A job whose chunks were not done in order is put in order in a second hidden file.
// Whatever fails meanwhile, it can be gone on with, and neither of the two stays.
func TestReorderingCanBeGoneOnWith(t *testing.T) {
	half := func() (trial, batch.Job) {
		tr := newTrial(t, "twice:log=LOG,fails=60", "out.csv", 200)
		job := tr.quick()
		job.Halt = batch.HaltNever
		_, err := batch.Run(background(), job)
		require.ErrorContains(t, err, "thirteen")
		require.NoError(t, os.WriteFile(filepath.Join(tr.Dir, "repaired"), nil, 0o600))
		job.Resume = true
		return tr, job
	}
	_, job := half()
	counted := journaltest.FailAt(journal.OS(), 0, nil)
	job.FS = counted
	_, err := batch.Run(background(), job)
	require.NoError(t, err)
	first := slices.IndexFunc(counted.Ops(), func(op journaltest.Op) bool { return op.Kind == "open" && strings.HasSuffix(op.Name, "-2") })
	require.Positive(t, first)
	for n := first; ; n++ {
		tr, job := half()
		job.FS = journaltest.FailFrom(journal.OS(), n, syscall.EIO)
		_, err := batch.Run(background(), job)
		ended := err == nil
		job.FS = nil
		_, err = batch.Run(background(), job)
		require.NoError(t, err, "failed from operation %d on", n)
		lines := strings.Split(strings.TrimSpace(tr.output(t)), "\n")
		require.Len(t, lines, 201)
		for i, line := range lines[1:] {
			require.Equal(t, fmt.Sprint(2*i), line)
		}
		tr.nothingLeft(t)
		if ended {
			require.Greater(t, n, first+3)
			break
		}
	}
}

// Where files cannot be without a name, as without /proc, the hidden file has one while
// the job runs; what a killed run has left is gone after the next.
func TestHiddenFileWithAName(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	tr := newTrial(t, "zscore", "z.csv", 600)
	tr.Bare = true
	require.NoError(t, os.WriteFile(filepath.Join(tr.Dir, ".z.csv.handoff-new-0"), []byte("of a killed run"), 0o600))
	job := tr.quick()
	job.Started = func(*pool.Pool) { // which has needed it
		require.NoError(t, unix.Mount("tmpfs", "/proc", "tmpfs", 0, ""))
		t.Cleanup(func() { unix.Unmount("/proc", unix.MNT_DETACH) })
	}
	seen := 0
	job.Progress = func(batch.Progress) {
		b, err := os.ReadFile(filepath.Join(tr.Dir, ".z.csv.handoff-new-0"))
		require.NoError(t, err)
		require.NotEqual(t, "of a killed run", string(b))
		seen++
	}
	_, err := batch.Run(background(), job)
	require.NoError(t, err)
	require.Positive(t, seen)
	require.Equal(t, 601, strings.Count(tr.output(t), "\n"))
	tr.nothingLeft(t)
}

// A run that leaves nothing out leaves no earlier run's file that says otherwise. One
// that fails leaves it with the output to which it belongs.
func TestStaleQuarantine(t *testing.T) {
	for _, state := range []bool{false, true} {
		tr := newTrial(t, "twice:log=LOG,fails=13", "out.csv", 100)
		job := tr.quick()
		if !state {
			job.State = ""
		}
		job.Quarantine, job.QuarantineFile, job.InputQuarantine = 1, filepath.Join(tr.Dir, "q.csv"), filepath.Join(tr.Dir, "i.csv")
		for _, name := range []string{job.QuarantineFile, job.InputQuarantine} {
			require.NoError(t, os.WriteFile(name, []byte("an earlier run's"), 0o600))
		}
		_, err := batch.Run(background(), job)
		require.ErrorContains(t, err, "thirteen")
		require.FileExists(t, job.QuarantineFile)
		require.FileExists(t, job.InputQuarantine)
		require.NoError(t, os.WriteFile(filepath.Join(tr.Dir, "repaired"), nil, 0o600))
		_, err = batch.Run(background(), job)
		require.NoError(t, err)
		tr.nothingLeft(t)
	}
}

// A large input that was copied or given other attributes between two runs is the same
// as long as no hash says otherwise.
func TestResumeBeforeTheHash(t *testing.T) {
	tr := newTrial(t, "zscore", "out.csv", 0)
	job := tr.quick()
	job.ChunkRows = 10_000
	text := []byte("n\n")
	for i := range 80_000 {
		text = fmt.Appendf(text, "%064d\n", i)
	}
	require.Greater(t, len(text), 4<<20, "more than is hashed at once")
	require.NoError(t, os.WriteFile(job.Inputs[0], text, 0o600))
	ended := false
	job.Progress = func(batch.Progress) {
		if !ended {
			ended = true
			require.NoError(t, os.Chmod(job.Inputs[0], 0o640)) // also while it runs
		}
	}
	job.FS = journaltest.FailFrom(journal.OS(), 4, syscall.ENOSPC, "sync")
	_, err := batch.Run(background(), job)
	require.ErrorIs(t, err, syscall.ENOSPC)
	require.NotEmpty(t, tr.committed(t))
	in := job.Inputs[0]
	info, err := os.Stat(in)
	require.NoError(t, err)
	b, err := os.ReadFile(in)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(in+".copy", b, 0o400))
	require.NoError(t, os.Chtimes(in+".copy", info.ModTime(), info.ModTime()))
	require.NoError(t, os.Rename(in+".copy", in))
	job.Resume, job.FS = true, nil
	res, err := batch.Run(background(), job)
	require.NoError(t, err)
	require.Positive(t, res.Summary.ChunksReused)
	tr.nothingLeft(t)
}
