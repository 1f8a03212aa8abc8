package pipeline

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"log/slog"
	"runtime"
	"slices"
	"sync"

	"example.com/handoff/pool"
	"example.com/handoff/pool/queue"
)

// DefaultBytes is the bound of a Pipeline whose options leave it at zero: 256 MiB.
const DefaultBytes = 256 << 20

// Options bounds a Pipeline. The zero value and nil work; a negative number
// is an error of Drain.
type Options struct {
	// MaxBytes is the most bytes in flight at once: of the items in queues, of what
	// stages work on and of the results they are about to return, in this process's
	// heap and in segments together. The source gets the first half of it, each stage
	// some more than the one before. What the first results of a stage take is not
	// known before, and they may go past it; so may one item that is alone
	// from its stage to the end, however large it is. 0: DefaultBytes.
	MaxBytes int64
	// QueueItems is the most items of each queue. 0: twice the width of the stage
	// behind it, at least 16.
	QueueItems int
	// Unordered hands items on as they are finished. Else each stage returns them in
	// the order of the source, and those that are finished wait for a late one.
	Unordered bool
	// Window is the most items that an ordered stage has taken and not handed on: so
	// many may be under way or wait for a late one, and the stages before it are held
	// back. One that is smaller than a stage's width narrows the stage. An arena for
	// whose memory functions wait ([shm.MakeWait], Options.Arenas.Results) needs room for what
	// so many items take: else a late one waits for what those behind it have. 0: four
	// times the width.
	Window int
	// SkipErrors, if it is set, hears of each item that a Go or Proc stage has failed on,
	// with the stage, the item's number and why, and the run goes on without that item:
	// it is dropped, and counted in [StageStats].Failed. An error that SkipErrors returns
	// ends the run, and is what Drain returns. It is called for one item at a time, in no
	// order, by the goroutines of the pipeline, and Drain waits for it. An error of the
	// source or of write, the end of the context and the end of a stage's pool end the run
	// all the same. nil: the first failed item ends the run.
	SkipErrors func(failed *StageError) error
	// Logger hears at the end of Drain, from its goroutine, how it went. nil: silent.
	Logger *slog.Logger
}

// A Pipeline is a chain of stages with bounded queues between them: declared by
// From, then Go and Proc, and run once, by Drain. It belongs to one process,
// and is declared by one goroutine; Stats and String may be called from any, at any
// time.
//
// Slow stages hold fast ones back, through the queues and through one budget of bytes:
// memory is bounded whichever side is short. Several pipelines may use one pool.
//
// # Arrays
//
// The pipeline owns what travels in it. The OwnedViews in a result of a process stage, and
// what a function gave to Hold, live until the item that they travel with was through
// the next process stage or through write, goroutine stages between included, or was
// dropped; then the pipeline releases them. Nobody else does. Whoever wants to keep the
// bytes copies them, or holds a Pin.
type Pipeline struct {
	opts Options
	bad  error // the first option that cannot be; Drain returns it

	mu     sync.Mutex
	stages []*stage // the source first, write last
	flows  []linked // what comes out of each but the last
	run    *run
	final  *Stats
}

// linked is a Flow of any type.
type linked interface {
	open(r *run) error // makes the queue
	flush(r *run)      // drops what is left in it
	stats() queue.Stats
	ended() bool // somebody takes from it
}

// New returns an empty pipeline. A nil opts means the defaults; opts is copied.
// A negative bound is an error of Drain.
func New(opts *Options) *Pipeline {
	pl := &Pipeline{}
	o := &pl.opts
	if opts != nil {
		*o = *opts
	}
	if o.MaxBytes < 0 || o.QueueItems < 0 || o.Window < 0 {
		pl.bad = fmt.Errorf("pipeline: New: negative bound in MaxBytes %d, QueueItems %d, Window %d", o.MaxBytes, o.QueueItems, o.Window)
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultBytes
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return pl
}

// A Flow carries the results of a stage to the next. Exactly one stage, or Drain, takes it.
type Flow[T any] struct {
	pl    *Pipeline
	taker *stage // nil until there is one
	queue *queue.Queue[item[T]]
	size  sizer[T]
}

// An item is a value on its way.
type item[T any] struct {
	v      T
	number int64 // from 0
	at     int   // the last gate that it has passed
	bytes  int64 // that it is charged with in the budget
	held   *holds
}

const (
	sourceName = "source"
	writeName  = "write"
)

// From makes seq the source of pl. It is pulled by a goroutine of the pipeline, as
// far ahead as the bounds allow, and left early when the pipeline ends early: which
// waits until seq gives the next item, so a source that waits for something ends with
// the context of Drain, too. From panics if pl has a source.
func From[T any](pl *Pipeline, seq iter.Seq[T]) *Flow[T] {
	if seq == nil {
		panic("pipeline: From: seq is nil")
	}
	return FromErr(pl, func(yield func(T, error) bool) {
		seq(func(v T) bool { return yield(v, nil) })
	})
}

// FromErr is From for a source that can fail: its first error ends the pipeline.
func FromErr[T any](pl *Pipeline, seq iter.Seq2[T, error]) *Flow[T] {
	if seq == nil {
		panic("pipeline: FromErr: seq is nil")
	}
	s := pl.add(sourceName, KindSource, 1)
	out := flowOf[T](pl, s)
	s.start = func(r *run) { r.all.Go(func() { pull(r, s, out, seq) }) }
	return out
}

// Go adds a stage that runs f in goroutines of this process, width items at a time;
// 0: four times the usable cores, for a function that waits, which is what goroutines
// are for. f gets a context that ends with the pipeline, and must then return: Drain
// waits for it. A panic in f and runtime.Goexit are the item's error. A negative width is
// an error of Drain. Go panics if the name is taken or in has its stage already.
func Go[In, Out any](pl *Pipeline, name string, in *Flow[In], f func(context.Context, In) (Out, error), width int) *Flow[Out] {
	if f == nil {
		panic(fmt.Sprintf("pipeline: Go %q: the function is nil", name))
	}
	if width == 0 {
		width = 4 * cores()
	}
	s := pl.add(name, KindGoroutine, width)
	out := follow[In, Out](pl, s, in)
	s.start = func(r *run) {
		runStage(r, s, in, out, func(ctx context.Context, it *item[In]) (v Out, err error) {
			return f(context.WithValue(ctx, holdKey{}, it.held), it.v)
		})
	}
	return out
}

// Proc adds a stage that runs f in workers of p, width tasks at a time; 0: as many as p
// has workers when Proc is called. A width above that keeps the next task of each worker
// at hand, which is worth it for tasks of well below a millisecond; a stage costs some
// microseconds an item, so tasks that are not worth that go through [pool.Fn.Map], or several
// to an item. When the pipeline ends early its tasks are cancelled ([pool.Future.Cancel]) and
// Drain does not wait for them.
// Where futures of others take up the pool's whole table ([pool.ErrFull]) the stage waits, and
// where there is no memory for arguments by value (shm.ErrFull) as long as tasks of this
// pipeline have some.
// Proc panics as Go does.
func Proc[In, Out any](pl *Pipeline, name string, in *Flow[In], p *pool.Pool, f *pool.Fn[In, Out], width int) *Flow[Out] {
	if p == nil || f == nil {
		panic(fmt.Sprintf("pipeline: Proc %q: the pool or the function is nil", name))
	}
	if width == 0 {
		width = p.Stats().Target
	}
	s := pl.add(name, KindProcess, width)
	s.pool = p
	out := follow[In, Out](pl, s, in)
	s.start = func(r *run) {
		runStage(r, s, in, out, func(ctx context.Context, it *item[In]) (Out, error) { return runTask(ctx, r.users[p], f, it) })
	}
	return out
}

// cores returns how many cores this process can use at a time.
func cores() int { return min(runtime.GOMAXPROCS(0), runtime.NumCPU()) }

// add appends a stage.
func (pl *Pipeline) add(name string, kind Kind, width int) *stage {
	pl.mu.Lock()
	defer pl.mu.Unlock()
	if width < 0 {
		pl.bad = cmp.Or(pl.bad, fmt.Errorf("pipeline: width %d of stage %q, expected 0 or more", width, name))
		width = 1
	}
	if slices.ContainsFunc(pl.stages, func(s *stage) bool { return s.name == name }) {
		panic(fmt.Sprintf("pipeline: there is a stage %q already", name))
	}
	if pl.run != nil {
		panic(fmt.Sprintf("pipeline: stage %q is added to a pipeline that was run", name))
	}
	s := &stage{name: name, kind: kind, width: width, at: len(pl.stages), slots: make(chan struct{}, width)}
	pl.stages = append(pl.stages, s)
	return s
}

// follow makes s what takes from in, and returns what comes out of it.
func follow[In, Out any](pl *Pipeline, s *stage, in *Flow[In]) *Flow[Out] {
	in.take(pl, s)
	return flowOf[Out](pl, s)
}

func flowOf[T any](pl *Pipeline, s *stage) *Flow[T] {
	f := &Flow[T]{pl: pl, size: newSizer[T]()}
	pl.mu.Lock()
	defer pl.mu.Unlock()
	pl.flows = append(pl.flows, f)
	return f
}

func (f *Flow[T]) take(pl *Pipeline, s *stage) {
	switch {
	case f == nil || f.pl != pl:
		panic(fmt.Sprintf("pipeline: the input of stage %q is of another pipeline", s.name))
	case f.taker != nil:
		panic(fmt.Sprintf("pipeline: the input of stage %q is that of stage %q already", s.name, f.taker.name))
	}
	f.taker = s
}

func (f *Flow[T]) ended() bool { return f.taker != nil }

func (f *Flow[T]) open(r *run) (err error) {
	n := r.pl.opts.QueueItems
	if n == 0 {
		n = max(16, 2*f.taker.width)
	}
	// Its bytes are bounded by the budget.
	f.queue, err = queue.New[item[T]](&queue.Options{MaxItems: n, MaxBytes: maxInt64})
	return err
}

func (f *Flow[T]) flush(r *run) {
	f.queue.Close()
	for it, err := range f.queue.All(context.Background()) {
		if err == nil {
			r.drop(it.held, it.at, it.bytes)
		}
	}
}

func (f *Flow[T]) stats() queue.Stats { return f.queue.Stats() }
