package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/life"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A Pool is a set of workers, the tasks handed to them, and the arenas whose
// arrays these name. Its methods may be called from several goroutines.
type Pool struct {
	// Set once by New.
	opts     Options
	launcher launcher
	table    *table
	starter  *proc.Starter
	// These have locks of their own.
	segments segments
	large    largeResults
	hooks    hooks

	// mu guards the parts below, but for those fields that say otherwise.
	mu       sync.Mutex
	ending   ending
	helpers  helpers
	tasks    tasks
	sched    scheduler
	leader   leader
	ranges   ranges
	slots    slots
	releases releases
	stats    Stats
}

// sweepTime bounds the removal of dead runs' segments when a pool starts.
const sweepTime = 250 * time.Millisecond

// New starts a pool and returns when its first worker is ready. ctx bounds the
// start only. The caller ends the pool with Close. Segments that dead runs of
// this user left in /dev/shm are removed on the way. The error is a
// [*WorkerExitError] with what the worker wrote if workers do not start, and
// [ErrNoMain] in a program that does not call [Main].
func New(ctx context.Context, opts *Options) (*Pool, error) {
	if err := opts.needProcesses(); err != nil {
		return nil, err
	}
	return start(ctx, opts, (*Pool).launch)
}

// A launcher starts an incarnation in a slot, with a lane of its own, and returns what its
// hello must say.
type launcher func(p *Pool, slot int) (proc.Process, proc.Link, *lane.Lane, wire.Hello, error)

// start is New with the way to start an incarnation, which tests replace.
func start(ctx context.Context, opts *Options, launch launcher) (*Pool, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if isWorker() {
		return nil, ErrNoMain
	}
	sweep, cancel := context.WithTimeout(ctx, sweepTime)
	swept, sweepErr := shm.GC(sweep)
	cancel()
	run, err := shm.NewRun()
	if err != nil {
		return nil, fmt.Errorf("pool: %w", err)
	}
	p := emptyPool(o, launch, run)
	if swept.Segments > 0 || sweepErr != nil {
		p.hooks.log(slog.LevelInfo, "removed what dead runs left in shared memory", "segments", swept.Segments, "bytes", swept.Bytes, "error", sweepErr)
	}
	if o.Isolation == Goroutine {
		init, cancel := context.WithTimeout(ctx, o.Timeouts.Start)
		err := runInit(init)
		cancel()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("pool: %w", err), run.Close())
		}
	}
	if err := p.makeControl(); err != nil {
		return nil, errors.Join(fmt.Errorf("pool: %w", err), run.Close())
	}
	if p.starter, err = proc.NewStarter(); err != nil {
		return nil, errors.Join(fmt.Errorf("pool: %w", err), p.ranges.control.End(), run.Close())
	}
	p.segments.inputs = shm.NewArena(func(bytes int64) (*shm.Segment, error) { return p.create(bytes, shm.ReadOnly, nil) }, o.Arenas.Inputs)
	p.segments.outputs = shm.NewArena(func(bytes int64) (*shm.Segment, error) { return p.create(bytes, shm.ReadWrite, nil) }, o.Arenas.Outputs)
	p.mu.Lock()
	for range o.Workers + o.Replacement.Spares {
		p.addSlotLocked()
	}
	p.mu.Unlock()
	p.helpers.running.Go(p.dispatch)
	p.helpers.running.Go(p.watchdog)
	select {
	case <-p.slots.firstReady:
		return p, nil
	case <-p.ending.ended:
		p.mu.Lock()
		err = p.ending.cause
		p.mu.Unlock()
	case <-ctx.Done():
		err = fmt.Errorf("pool: no worker is ready: %w", ctx.Err())
	}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	return nil, errors.Join(err, p.Close(done))
}

// emptyPool is a pool without workers, goroutines and shared memory.
func emptyPool(o Options, launch launcher, run *shm.Run) *Pool {
	p := &Pool{
		opts:     o,
		launcher: launch,
		table:    newTable(),
		ending:   ending{ended: make(chan struct{}), closed: make(chan struct{})},
		helpers:  helpers{dispatcherWork: make(chan struct{}, 1), watchdogWork: make(chan struct{}, 1)},
		segments: segments{run: run, anonymous: o.Arenas.Anonymous, numbered: map[*shm.Segment]*announced{}, byID: map[uint32]*announced{}},
		slots:    slots{width: life.NewWidth(o.Workers), firstReady: make(chan struct{})},
		ranges:   ranges{counters: make(chan struct{}, lane.MaxRanges), shares: map[uint32]*task{}},
		leader:   leader{record: make([]byte, lane.RecordBytes)},
	}
	p.table.compile()
	p.hooks.open(&p.opts)
	p.leader.readyFunc = p.leader.ready
	p.slots.wanted.L = &p.mu
	return p
}

// Arena is where inputs are made: workers map its segments read-only.
func (p *Pool) Arena() *shm.Arena { return p.segments.inputs }

// Outputs is where [shm.Array] arguments are made: workers map its segments writable.
func (p *Pool) Outputs() *shm.Arena { return p.segments.outputs }

// Done is closed when the pool takes no more tasks: it was closed, or its workers do
// not start.
func (p *Pool) Done() <-chan struct{} { return p.ending.ended }

// Run is the pool's run, for segments beside its arenas.
func (p *Pool) Run() *shm.Run { return p.segments.run }

// An ending has the reason of the pool's end, and what Close waits for.
type ending struct {
	cause   error         // why it has ended; nil while it runs. Guarded by Pool.mu
	ended   chan struct{} // closed when no task can be started any more
	owners  sync.WaitGroup
	closing atomic.Bool
	closed  chan struct{} // closed when Close has returned
	result  error         // of Close, once it has
}

// endedLocked is why no task can be started; nil while one can.
func (p *Pool) endedLocked() error {
	if p.ending.cause == nil || errors.Is(p.ending.cause, ErrClosed) {
		return p.ending.cause
	}
	return fmt.Errorf("%w: %w", ErrClosed, p.ending.cause)
}

func (p *Pool) broken() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.endedLocked()
}
