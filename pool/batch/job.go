package batch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"example.com/handoff/arrowipc"
	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool"
)

// A Job is one operation over one input. Inputs and Op are needed, the zero
// value of the rest works.
type Job struct {
	// Inputs are files with the same columns, read one after the other as one table.
	Inputs []string
	// Op is the name of a registered operation.
	Op string
	// ChunkRows is the most rows of a chunk. 0: 65536.
	ChunkRows int
	// Quarantine is the most rows that may be left out because they kill their
	// workers: a chunk whose worker dies is halved until such a row stands alone, and
	// when it has killed two workers alone it is left out, of all columns, and named in
	// the Result. Then Pool.Attempts is 1 unless it is set. 0: none is, and the job ends
	// when a chunk's workers have died Pool.Attempts times.
	Quarantine int
	// Pool configures the workers.
	Pool pool.Options
	// Progress, if set, is called from Run's goroutine after each chunk.
	Progress func(Progress)
}

// Progress is how far a job is.
type Progress struct {
	Rows       int64 // folded
	Done       int64 // bytes of the current input that were read
	Total      int64 // its size in bytes
	Input      int   // which of Inputs, from 0
	InputCount int
}

// A Result is what a job gave.
type Result struct {
	Value   any // of the operation, for encoding/json
	Summary Summary
	Columns int             // numeric ones, of which Value speaks
	Skipped []files.Skipped // columns of the input that are not numeric
	// Quarantined are the rows that were left out, in the order of the inputs.
	Quarantined []Quarantined
}

// queueBytes bounds the chunks that were read and have no worker yet.
const queueBytes = 128 << 20

// windowPerWorker bounds the tasks in flight: enough that no worker waits for
// the dispatcher.
const windowPerWorker = 4

// Run runs the job to its end. ctx ends it early with its error. All processes
// and memory it used are gone when it returns.
func Run(ctx context.Context, job Job) (res *Result, err error) {
	op, err := Lookup(job.Op)
	if err != nil {
		return nil, err
	}
	if len(job.Inputs) == 0 {
		return nil, errors.New("batch: no input")
	}
	if job.Quarantine < 0 {
		return nil, fmt.Errorf("batch: at most %d rows left out: negative", job.Quarantine)
	}
	if job.Quarantine > 0 && job.Pool.Attempts == 0 {
		job.Pool.Attempts = 1
	}
	start := time.Now()
	p, err := pool.New(ctx, &job.Pool)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	e := &engine{job: &job, op: op, pool: p, alloc: arrowipc.NewAllocator(p.Arena())}
	e.queue = pool.NewQueue[chunk](&pool.QueueOptions{MaxBytes: queueBytes})
	read := make(chan error, 1)
	go func() {
		err := e.read(ctx)
		if err != nil {
			cancel(err)
		}
		e.queue.Close()
		read <- err
	}()
	err = e.dispatch(ctx)
	cancel(err)
	if readErr := <-read; readErr != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = readErr
	}
	e.drop()
	if err == nil {
		res, err = e.result(time.Since(start))
	}
	return res, errors.Join(err, p.Close(ctx))
}

// An engine is one running job.
type engine struct {
	job   *Job
	op    *Op
	pool  *pool.Pool
	alloc *arrowipc.Allocator
	queue *pool.Queue[chunk]

	fields  []arrow.Field // of the first input; written before the first Put
	text    []bool        // by field: it turned out to be text; written before the queue is closed
	skipped []files.Skipped

	fold     Fold // of the dispatcher
	inFlight []flight
	rows     int64
	chunks   int64
	left     []Quarantined
}

// A chunk is a record that waits for workers.
type chunk struct {
	rec   arrow.Record
	where Progress
	first int64 // of its rows, in its input, from 0

	folds []func() error // of the columns whose partial results are there
	sick  []int          // columns whose worker died
}

// A flight is the task of one column of a chunk.
type flight struct {
	wait  waiting
	chunk *chunk
	last  bool
}

// A waiting gives what folds a partial result, when that is there.
type waiting = func(context.Context) (fold func() error, err error)

// read puts the inputs' records into the queue.
func (e *engine) read(ctx context.Context) error {
	for i, path := range e.job.Inputs {
		if err := e.readFile(ctx, i, path); err != nil {
			if errors.Is(err, pool.ErrQueueClosed) {
				return ctx.Err()
			}
			return err
		}
	}
	return nil
}

func (e *engine) readFile(ctx context.Context, i int, path string) error {
	r, err := files.Open(path, e.alloc, &files.Options{ChunkRows: e.job.ChunkRows})
	if err != nil {
		return err
	}
	defer r.Close()
	if i == 0 {
		e.fields = r.Schema().Fields()
		e.text = make([]bool, len(e.fields))
	} else if err := sameColumns(e.job.Inputs[0], e.fields, path, r.Schema().Fields()); err != nil {
		return err
	}
	first := int64(0)
	for {
		rec, err := r.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		done, total := r.BytesRead()
		c := chunk{rec: rec, first: first, where: Progress{Done: done, Total: total, Input: i, InputCount: len(e.job.Inputs)}}
		first += rec.NumRows()
		if err := e.queue.Put(ctx, c, recordBytes(rec)); err != nil {
			rec.Release()
			return err
		}
	}
	for _, s := range r.Skipped() {
		if s.Field >= 0 {
			e.text[s.Field] = true
		}
		if i == 0 || s.Field >= 0 {
			e.skipped = append(e.skipped, s)
		}
	}
	return nil
}

func sameColumns(first string, want []arrow.Field, path string, got []arrow.Field) error {
	if len(got) != len(want) {
		return fmt.Errorf("%s: %d numeric columns, expected the %d of %s", path, len(got), len(want), first)
	}
	for i := range want {
		if got[i].Name != want[i].Name || got[i].Type.ID() != want[i].Type.ID() {
			return fmt.Errorf("%s: column %q of type %v, expected %q of %v as in %s", path, got[i].Name, got[i].Type, want[i].Name, want[i].Type, first)
		}
	}
	return nil
}

func recordBytes(rec arrow.Record) (n int64) {
	for _, col := range rec.Columns() {
		if w, ok := col.DataType().(arrow.FixedWidthDataType); ok {
			n += int64(w.BitWidth()) * rec.NumRows() / 8
		}
	}
	return n
}

// dispatch hands the chunks out and folds their results, in order.
func (e *engine) dispatch(ctx context.Context) error {
	window := windowPerWorker * e.pool.Stats().Width
	for {
		c, err := e.queue.Get(ctx)
		if errors.Is(err, pool.ErrQueueClosed) {
			break
		}
		if err != nil {
			return context.Cause(ctx)
		}
		if err := e.submit(ctx, &c, window); err != nil {
			return err
		}
	}
	for len(e.inFlight) > 0 {
		if err := e.foldNext(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (e *engine) submit(ctx context.Context, c *chunk, window int) error {
	if err := e.begin(); err != nil {
		c.rec.Release()
		return err
	}
	for i, col := range c.rec.Columns() {
		for len(e.inFlight) >= window {
			if err := e.foldNext(ctx); err != nil {
				c.rec.Release()
				return err
			}
		}
		wait, err := e.fold.Submit(ctx, e.pool, e.alloc, i, col)
		if err != nil {
			c.rec.Release()
			return err
		}
		e.inFlight = append(e.inFlight, flight{wait: wait, chunk: c})
	}
	e.inFlight[len(e.inFlight)-1].last = true // a record has a column, or there is none
	return nil
}

// begin starts the fold once the columns are known.
func (e *engine) begin() (err error) {
	if e.fold != nil {
		return nil
	}
	columns := make([]Column, len(e.fields))
	for i, f := range e.fields {
		dtype, ok := arrowipc.DTypeOf(f.Type)
		if !ok {
			return fmt.Errorf("batch: column %q of type %v is not numeric", f.Name, f.Type)
		}
		columns[i] = Column{Name: f.Name, DType: dtype}
	}
	e.fold, err = e.op.Start(columns)
	return err
}

// foldNext waits for the oldest task, folds its chunk if it is the last of it and
// gives the chunk's memory back.
func (e *engine) foldNext(ctx context.Context) error {
	f, c := e.inFlight[0], e.inFlight[0].chunk
	fold, err := f.wait(ctx)
	switch {
	case err == nil:
		c.folds = append(c.folds, fold)
	case context.Cause(ctx) != nil:
		return context.Cause(ctx)
	case e.job.Quarantine > 0 && errors.Is(err, pool.ErrWorkerDied):
		c.sick = append(c.sick, len(c.folds)+len(c.sick))
	default:
		return err
	}
	if f.last {
		left, err := e.foldChunk(ctx, c)
		if err != nil {
			return err
		}
		e.inFlight = e.inFlight[1:]
		e.rows += c.rec.NumRows() - left
		e.chunks++
		c.rec.Release()
		if e.job.Progress != nil {
			c.where.Rows = e.rows
			e.job.Progress(c.where)
		}
		return nil
	}
	e.inFlight = e.inFlight[1:]
	return nil
}

// drop gives back what a failed job still holds. Tasks have pins of their own.
func (e *engine) drop() {
	for _, f := range e.inFlight {
		if f.last {
			f.chunk.rec.Release()
		}
	}
	for { // the reader has ended, so the queue is closed
		c, err := e.queue.Get(context.Background())
		if err != nil {
			return
		}
		c.rec.Release()
	}
}

func (e *engine) result(wall time.Duration) (*Result, error) {
	if err := e.begin(); err != nil { // no rows at all
		return nil, err
	}
	keep := make([]bool, len(e.fields))
	columns := 0
	for i := range keep {
		if keep[i] = !e.text[i]; keep[i] {
			columns++
		}
	}
	v, err := e.fold.Result(keep)
	if err != nil {
		return nil, err
	}
	return &Result{Value: v, Columns: columns, Skipped: e.skipped, Quarantined: e.left, Summary: e.summary(wall)}, nil
}
