package pool

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
	"example.com/handoff/shm/ring"
)

// A Pool is a set of workers, the tasks handed to them, and the arenas whose
// arrays these name. Its methods may be called from several goroutines.
type Pool struct {
	opts    Options
	table   *table
	run     *shm.Run
	arena   *shm.Arena
	outputs *shm.Arena
	starter *starter

	ended  chan struct{} // closed when no task can be started any more
	owners sync.WaitGroup
	close  sync.Once
	result error // of Close

	outMu sync.Mutex // of Options.Output

	control sharedMemory
	bell    *ring.Bell    // the supervisor's
	work    chan struct{} // wakes a resting dispatcher
	// jobSlots holds a token for each range under way.
	jobSlots chan struct{}
	polled   sync.WaitGroup
	kicks    atomic.Uint32

	mu         sync.Mutex
	cause      error // why the pool has ended; nil while it runs
	workers    []*worker
	lanes      []*worker // those with a lane, by slot; a new slice at each change
	pending    taskList
	tasks      []*task // the table
	free       []*task
	placeFree  chan struct{} // closed when one is; nil while nobody waits for it
	unresolved int           // pending, sent
	ending     []*task       // resolved since mu was taken
	spare      []*task       // memory for ending
	// Results given up since mu was taken.
	unwanted []shm.Binder
	unpin    []shm.Pin // of jobs that ended alone
	buf      []byte    // of a record
	// results counts the segments that workers' result arenas have.
	results struct {
		segs  int
		bytes int64
	}
	jobs      []*rangeJob // those under way
	lastJob   uint32
	lastShare uint32
	lastTask  uint64 // the number of the last task or range
	segs      map[*shm.Segment]*announced
	segByID   map[uint32]*announced
	lastSeg   uint32
	stats     Stats
	starts    int // failed starts in a row

	events   events
	attempts attempts
	logs     logs
	burying  int // deaths whose task has gone on, and that are not counted yet
	group    memoryGroup
	oomSeen  int64 // OOM kills of group that are accounted for
	// room hears when a worker slot may be wanted, and when a death is counted.
	room        sync.Cond
	target      int // workers that are asked for
	width       int // workers that run at once: less where memory is short
	ceiling     int // the most that memory seems to allow; 0: nobody knows
	calm        int // climbs since the last death for want of memory
	climber     *time.Timer
	alive       int       // slots between start and death
	incarnation int       // the last
	started     time.Time // when the next start after a short life may be
	lastKill    time.Time
	later       taskList // tasks that wait before they are tried again
	watchRests  bool
	watchWork   chan struct{}
	ready1      chan struct{} // closed when the first worker is ready

	polling  bool // somebody is the poller
	draining bool // and is in drainLocked, past which it looks at its own task
	parked   waiterList
	patient  waiterList // parked too, but not for the role
	waited   *waiter    // the poller
	due      bool       // the dispatcher is to poll
	drained  int        // results since the last nap began
	gain     int        // of the nap before
	napping  bool       // it is not judged yet
	awake    int        // waits without a nap, still
	polls    uint64     // drains
	resting  bool       // the dispatcher sleeps until there is work
	stopping bool

	// Of the poller.
	record     []byte
	watched    []*worker
	seen       uint32 // of kicks
	readyFunc  func() bool
	hooked     <-chan struct{}
	unhookFunc func() bool
}

// maxFailedStarts in a row, over all workers, break the pool: what does not
// start will not start the next time either.
const maxFailedStarts = 5

// sweepTime bounds the removal of dead runs' segments when a pool starts.
const sweepTime = 250 * time.Millisecond

// New starts a pool and returns when its first worker is ready. ctx bounds the
// start only. The caller ends the pool with Close. Segments that dead runs of
// this user left in /dev/shm are removed on the way. The error is a
// [*WorkerExitError] with what the worker wrote if workers do not start, and
// [ErrNoMain] in a program that does not call [Main].
func New(ctx context.Context, opts *Options) (*Pool, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	if isWorker() {
		return nil, fmt.Errorf("pool: %w", ErrNoMain)
	}
	sweep, cancel := context.WithTimeout(ctx, sweepTime)
	swept, sweepErr := shm.GC(sweep)
	cancel()
	run, err := shm.NewRun()
	if err != nil {
		return nil, fmt.Errorf("pool: %w", err)
	}
	p := &Pool{
		opts:    o,
		table:   newTable(),
		run:     run,
		ended:   make(chan struct{}),
		segs:    map[*shm.Segment]*announced{},
		segByID: map[uint32]*announced{},
		ready1:  make(chan struct{}),
		work:    make(chan struct{}, 1),

		target:    o.Workers,
		width:     o.Workers,
		watchWork: make(chan struct{}, 1),
		jobSlots:  make(chan struct{}, maxJobs),
		record:    make([]byte, laneRecord),
	}
	if swept.Segments > 0 || sweepErr != nil {
		p.logs.log(slog.LevelInfo, "removed what dead runs left in shared memory", "segments", swept.Segments, "bytes", swept.Bytes, "error", sweepErr)
	}
	p.readyFunc = p.ready
	p.room.L = &p.mu
	p.events.open(o.OnEvent)
	p.attempts.open(o.OnAttempt)
	p.logs.open(o.Logger)
	if p.opts.launch == nil {
		p.opts.launch = (*Pool).launch
	}
	p.group = memoryGroupHere()
	p.group.sweep()
	p.oomSeen, _ = p.group.oomKills()
	if o.Isolation == Goroutine {
		init, cancel := context.WithTimeout(ctx, o.StartTimeout)
		err := runInit(init)
		cancel()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("pool: %w", err), run.Close())
		}
	}
	if err := p.makeControl(); err != nil {
		return nil, errors.Join(fmt.Errorf("pool: %w", err), run.Close())
	}
	if p.starter, err = newStarter(); err != nil {
		return nil, errors.Join(fmt.Errorf("pool: %w", err), p.control.end(), run.Close())
	}
	p.arena = shm.NewArena(func(bytes int64) (*shm.Segment, error) { return p.create(bytes, shm.ReadOnly, nil) }, o.Arena)
	p.outputs = shm.NewArena(func(bytes int64) (*shm.Segment, error) { return p.create(bytes, shm.ReadWrite, nil) }, o.Outputs)
	p.mu.Lock()
	for range o.Workers + o.Spares {
		p.addSlotLocked()
	}
	p.mu.Unlock()
	p.polled.Go(p.dispatch)
	p.polled.Go(p.watchdog)
	select {
	case <-p.ready1:
		return p, nil
	case <-p.ended:
		p.mu.Lock()
		err = p.cause
		p.mu.Unlock()
	case <-ctx.Done():
		err = fmt.Errorf("pool: no worker is ready: %w", ctx.Err())
	}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	return nil, errors.Join(err, p.Close(done))
}

// create makes a segment of an arena: of by's results, or of nobody's. What other
// arenas have and do not use goes first where there is no room.
func (p *Pool) create(bytes int64, workers shm.Mode, by *worker) (*shm.Segment, error) {
	var full *shm.SpaceError
	seg, err := p.makeSegment(bytes, workers)
	if !errors.As(err, &full) {
		return seg, err
	}
	if p.arena.Trim()+p.outputs.Trim() > 0 {
		if seg, err = p.makeSegment(bytes, workers); !errors.As(err, &full) {
			return seg, err
		}
	}
	if !p.trimWorkers(by) {
		return seg, err
	}
	for until := time.Now().Add(trimTime); errors.As(err, &full) && time.Now().Before(until); {
		time.Sleep(trimTime / 20)
		seg, err = p.makeSegment(bytes, workers)
	}
	return seg, err
}

// trimTime bounds the wait for workers to give back what they do not use.
const trimTime = 100 * time.Millisecond

// trimWorkers asks all workers but one, who does so by itself, and reports
// whether there is anything that they could give back.
func (p *Pool) trimWorkers(but *worker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.results.bytes == 0 {
		return false
	}
	for _, w := range p.workers {
		if w.link != nil && w != but {
			w.results.flush() // what was released is not known to be, perhaps
			w.link.Send([]byte{wire.MsgTrim}, -1)
		}
	}
	return true
}

func (p *Pool) makeSegment(bytes int64, workers shm.Mode) (*shm.Segment, error) {
	if p.opts.Anonymous {
		return p.run.CreateAnonymous(bytes, workers)
	}
	return p.run.Create(bytes)
}

// Arena is where inputs are made: workers map its segments read-only.
func (p *Pool) Arena() *shm.Arena { return p.arena }

// Outputs is where [shm.Array] arguments are made: workers map its segments writable.
func (p *Pool) Outputs() *shm.Arena { return p.outputs }

// Done is closed when the pool takes no more tasks: it was closed, or its workers do
// not start.
func (p *Pool) Done() <-chan struct{} { return p.ended }

// Run is the pool's run, for segments beside its arenas.
func (p *Pool) Run() *shm.Run { return p.run }

// Close ends the pool: tasks that no worker has resolve with [ErrClosed],
// running ones may finish for Options.CloseTimeout or until ctx ends, then their
// workers are terminated and their tasks resolve with ErrClosed too. When Close
// returns, the workers are gone and the arenas' memory is removed; arrays that
// are still pinned, and Views of results until their Release, stay readable here.
// A result with Views that nobody waits for by then is given up. It is safe to call twice and from
// several goroutines: all wait for the first. It also waits until Options.OnAttempt was
// called with every attempt, and Options.Logger with every record, unless one call takes
// longer than CloseTimeout: of attempts that is an error. With Isolation = Goroutine a
// running task cannot be ended: Close then reports it as an error, as it does worker
// processes that have not died 10 s after they were killed, held by a debugger or the
// kernel.
func (p *Pool) Close(ctx context.Context) error {
	p.end(ErrClosed)
	p.close.Do(func() {
		gone := make(chan struct{})
		go func() { p.owners.Wait(); close(gone) }()
		err := errors.Join(p.endWorkers(ctx, gone), p.undead())
		p.stopDispatch()
		p.giveUpResults()
		if n := p.attempts.wait(p.opts.CloseTimeout); n > 0 {
			err = errors.Join(err, fmt.Errorf("pool: close: Options.OnAttempt took longer than %v: it was not told of %d attempts", p.opts.CloseTimeout, n))
		}
		p.logs.wait(p.opts.CloseTimeout)
		p.starter.stop()
		if p.opts.Isolation == Goroutine {
			err = errors.Join(err, errors.Join(runTeardown(p.opts.CloseTimeout)...))
		}
		p.result = errors.Join(err, p.arena.Close(), p.outputs.Close(), p.control.end(), p.run.Close())
	})
	return p.result
}

// closeStep is how long each of Close's stronger means may take to work.
const closeStep = 500 * time.Millisecond

// endWorkers asks, then cancels and terminates, then kills.
func (p *Pool) endWorkers(ctx context.Context, gone chan struct{}) error {
	wait := func(ctx context.Context, d time.Duration) bool {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-gone:
			return true
		case <-ctx.Done():
		case <-timer.C:
		}
		return false
	}
	if wait(ctx, p.opts.CloseTimeout) {
		return nil
	}
	p.logs.log(slog.LevelWarn, "closing: workers that have not finished their task, or Teardown, are terminated", "waited", p.opts.CloseTimeout)
	p.each((*worker).terminateLocked)
	if wait(context.Background(), closeStep) {
		return nil
	}
	p.each((*worker).killLocked)
	if p.opts.Isolation == Process {
		<-gone // within killTime
		return nil
	}
	if wait(context.Background(), closeStep) {
		return nil
	}
	return fmt.Errorf("pool: close: a task still runs and goroutines cannot be killed")
}

// undead says which workers could not be killed.
func (p *Pool) undead() (err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.workers {
		for _, proc := range w.undead {
			err = errors.Join(err, proc.Left())
		}
	}
	if err != nil {
		err = fmt.Errorf("pool: close: workers are left behind: %w", err)
	}
	return err
}

func (p *Pool) each(f func(*worker)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.workers {
		if w.proc != nil {
			f(w)
		}
	}
}

// end stops the pool for the given reason, the first time: what is pending
// resolves with it, workers are asked to finish.
func (p *Pool) end(cause error) {
	p.mu.Lock()
	defer p.unlock()
	if p.cause != nil {
		return
	}
	p.cause = cause
	close(p.ended)
	p.room.Broadcast()
	if p.climber != nil {
		p.climber.Stop()
	}
	if !errors.Is(cause, ErrClosed) {
		p.events.emit(Event{Kind: EventBroken, Text: cause.Error()})
	}
	for p.later.first != nil {
		t := p.later.popFront()
		t.later = false
		p.resolveLocked(t, nil, p.endedLocked())
	}
	for _, j := range slices.Clone(p.jobs) {
		p.failJobLocked(j, p.endedLocked())
	}
	for p.pending.first != nil {
		p.resolveLocked(p.pending.popFront(), nil, p.endedLocked())
	}
	for _, w := range p.lanes {
		for i := len(w.lane.sent) - 1; i >= w.lane.first; i-- {
			if t := w.lane.sent[i].t; t != nil && t.job == nil && w.lane.takeBack(t) {
				t.attempt--
				p.resolveLocked(t, nil, p.endedLocked())
			}
		}
	}
	for _, w := range p.workers {
		if w.link != nil {
			w.link.Send([]byte{wire.MsgDrain}, -1)
		} else if w.proc != nil { // it has nothing to finish
			w.proc.Kill()
		}
	}
}

// endedLocked is why no task can be started; nil while one can.
func (p *Pool) endedLocked() error {
	if p.cause == nil || errors.Is(p.cause, ErrClosed) {
		return p.cause
	}
	return fmt.Errorf("%w: %w", ErrClosed, p.cause)
}

func (p *Pool) broken() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.endedLocked()
}
