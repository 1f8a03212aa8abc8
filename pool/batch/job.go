package batch

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool"
	"example.com/handoff/pool/batch/outfile"
	"example.com/handoff/pool/journal"
)

// ErrDrained: the job has ended early because [Job].Drain was closed.
var ErrDrained = errors.New("stopped before its end")

// ErrNoOut: the operation gives rows, and there is no [Job].Out for them.
var ErrNoOut = errors.New("rows need a file: Out, .arrow or .csv")

// ErrStartAgain: what is in the state folder cannot be gone on with.
var ErrStartAgain = errors.New("start again, with a new state folder if there was one")

// A Halt says what a chunk that fails does to the others. A chunk fails by an error
// of the operation, or when its workers have died [pool.Options].Attempts times and
// no row is to blame.
type Halt string

const (
	HaltNow   Halt = "now"   // those that run are cancelled; the default
	HaltSoon  Halt = "soon"  // those that run are finished, and no other begins
	HaltNever Halt = "never" // all others are done
)

// A Job is one operation over one input. Inputs and Op are needed, the zero
// value of the rest works.
type Job struct {
	// Inputs are files with the same columns, read one after the other as one table.
	// One that changes while the job runs is an error.
	Inputs []string
	// Op is a registered operation, NAME or NAME:param=value,…
	Op string
	// Columns are the names of those to work on. nil: all numeric ones.
	Columns []string
	// ChunkRows is the most rows of a chunk. 0: 65536.
	ChunkRows int
	// Out is the file that gets the result, whole or not at all: rows as Arrow or, if
	// its name ends in .csv, as CSV; the result of a reduction as JSON or CSV. "": none,
	// and the operation must be a reduction.
	Out string

	// State is a folder for what makes the job survive the death of this process: a
	// journal of the chunks that are done. It is made if it is not there, kept when the
	// job fails and removed when it succeeds, unless KeepState. One process at a time
	// uses it. "": no journal. It needs Out, a regular file.
	State     string
	KeepState bool
	// Resume goes on with the job whose journal is in State: chunks that it has are
	// not run again. The job must be the same: inputs, Op, Columns, ChunkRows, Out.
	// Without a journal there it starts from the beginning. If it is false a folder
	// with a journal is refused.
	Resume bool

	// Quarantine is the most rows that may be left out because they kill their
	// workers: a chunk whose worker dies is halved until such a row stands alone, and
	// when it has killed two workers alone it is left out, of all columns, and named in
	// the Result. Then Pool.Attempts is 1 unless it is set. 0: none is, and such a
	// chunk fails.
	Quarantine int
	// QuarantineFile gets the rows that were left out, Arrow or CSV by its name, such
	// that it can be an input, also where the job fails. If there are none it is not
	// written, and a job that succeeds removes an earlier run's. "": none.
	QuarantineFile string
	// InputQuarantine gets the lines of CSV inputs that cannot be parsed, as CSV: file,
	// line, text; they are left out. If there are none it is not there afterwards. "":
	// such a line is an error, unless Resume goes on with a job that has left it out.
	InputQuarantine string

	// Halt says what a chunk that fails does to the others. "": HaltNow.
	Halt Halt
	// Drain, once closed, ends the job early with [ErrDrained]: chunks that run are
	// finished within DrainTime. DrainTime 0: 5 s.
	Drain     <-chan struct{}
	DrainTime time.Duration
	// Pool configures the workers.
	Pool pool.Options
	// Started, if set, is called with the workers' pool, which Run closes.
	Started func(*pool.Pool)
	// Progress, if set, is called from Run's goroutine after each chunk.
	Progress func(Progress)
	// FS is where the journal and the files that are written lie: for tests in which a
	// disk is full, breaks or loses its power (package journaltest). Inputs are read
	// without it, and without State the output may be. nil: the machine's.
	FS journal.FS
}

// Progress counts the rows and bytes of a job that are done.
type Progress struct {
	Rows  int64 // of this pass that are done, by earlier runs too
	Done  int64 // bytes of all inputs that were read, in all passes
	Total int64 // what Done reaches
	Input int   // which of Inputs, from 0
	Pass  int   // of the operation, from 0
}

// A Result is the outcome of a job. The caller owns it.
type Result struct {
	Value   any // of a reduction, for encoding/json; nil of a job that was finished before
	Summary Summary
	Columns int             // numeric ones; −1 of a job that was finished before
	Skipped []files.Skipped // columns of the input that are not numeric
	// Quarantined are the rows that were left out, in the order of the inputs.
	Quarantined []Quarantined
	// Unparsed are the lines of CSV that were left out, in the order of the inputs.
	Unparsed []Unparsed
	// FromStart: Resume was asked for, and there was no journal.
	FromStart bool
	// Finished: an earlier run had finished the job, and nothing was done.
	Finished bool
	// Warnings are what went wrong when the result was there: a folder that cannot be
	// synced, a state folder that cannot be removed. The job is done all the same.
	Warnings []error
}

func (j *Job) check() error {
	switch {
	case len(j.Inputs) == 0:
		return errors.New("batch: no input")
	case j.Quarantine < 0:
		return fmt.Errorf("batch: at most %d rows left out: negative", j.Quarantine)
	case j.ChunkRows < 0:
		return fmt.Errorf("batch: chunks of %d rows", j.ChunkRows)
	case j.State != "" && j.Out == "":
		return errors.New("batch: State needs Out: what goes elsewhere cannot be written exactly once")
	case j.State == "" && (j.Resume || j.KeepState):
		return errors.New("batch: Resume and KeepState need State")
	case !slices.Contains([]Halt{"", HaltNow, HaltSoon, HaltNever}, j.Halt):
		return fmt.Errorf("batch: halt %q, expected %s, %s or %s", j.Halt, HaltNow, HaltSoon, HaltNever)
	}
	return j.checkNames()
}

// checkNames refuses a file that is named twice and would be written over.
func (j *Job) checkNames() error {
	outs, taken := []string{j.Out, j.QuarantineFile, j.InputQuarantine}, slices.Clone(j.Inputs)
	if j.State != "" {
		for _, name := range journal.Names() {
			taken = append(taken, filepath.Join(j.State, name))
		}
	}
	for i, out := range outs {
		for _, other := range slices.Concat(outs[:i], taken) {
			if outfile.Same(out, other) {
				return fmt.Errorf("%s and %s are the same file, which would be written over: give another name", other, out)
			}
		}
	}
	return nil
}

// Run runs the job to its end. ctx ends it early with its error; with State what
// is done by then is kept. All processes and memory it used are gone when it
// returns. A job that fails once it has begun has a Result too: its Summary says how
// far it came.
func Run(ctx context.Context, job Job) (res *Result, err error) {
	if err := job.check(); err != nil {
		return nil, err
	}
	if job.Quarantine > 0 && job.Pool.Attempts == 0 {
		job.Pool.Attempts = 1
	}
	if job.ChunkRows == 0 {
		job.ChunkRows = 65536
	}
	if job.DrainTime == 0 {
		job.DrainTime = 5 * time.Second
	}
	e := &engine{job: &job, start: time.Now()}
	if e.op, e.params, err = Lookup(job.Op); err != nil {
		return nil, err
	}
	defer func() {
		closing := e.close(ctx)
		if err == nil && closing != nil {
			res.Warnings = append(res.Warnings, closing)
			return
		}
		err = errors.Join(err, closing)
	}()
	if done, err := e.open(ctx); done || err != nil {
		return e.result(), err
	}
	if err := e.run(ctx); err != nil {
		return e.result(), errors.Join(err, e.outputs.disk.try(e.writeQuarantine))
	}
	return e.result(), nil
}
