package pool

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"example.com/handoff/pool/internal/codec"
	policy "example.com/handoff/pool/internal/task"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A task is one slot of the pool's table, guarded by Pool.mu, and used again
// for other tasks: the epoch of its id counts the uses.
type task struct {
	waiter
	id     wire.TaskID
	number uint64 // Future.TaskNumber
	entry  *entry
	fn     uint16 // its number
	state  taskState
	cancel cancellation

	waiting   bool // somebody waits for it
	discarded bool // nobody will
	delayed   bool // it waits before it is tried again

	args  arguments
	tries policy.Tries
	place taskPlace
	out   taskOutcome

	next, prev *task // while pending or delayed

	completions *completionSet // that it is of, or nil
	tag         int            // its own, there

	share rangeShare // that it is, or the zero value
}

// arguments are those of a task or range, encoded, and keep the segments that they name
// mapped until it is over.
type arguments struct {
	bytes      []byte // of the record
	large      bool   // they are the ref of a side block
	deadline   int64  // of the context, as in wire.Task
	segs       []*announced
	pins       []shm.Pin
	valueBytes int64 // encoded
	refBytes   int64 // of arrays
}

func (a *arguments) reset() {
	*a = arguments{bytes: a.bytes[:0], segs: a.segs[:0], pins: a.pins[:0]}
}

// taskPlace is in whose lane a task is, and where there.
type taskPlace struct {
	worker *worker
	at     uint64
}

// A taskOutcome waits in the table until it is taken or given up.
type taskOutcome struct {
	bytes []byte            // of a result without Views
	large *largeResult      // the same, where that is long
	value any               // a result with Views: a *Out,
	views []shm.OwnedBinder // the OwnedViews in it
	err   error
}

// A cancellation is why a task is not tried again.
type cancellation struct {
	asked       bool // while it was in a lane
	cooperative bool // by one who does not want its worker killed for it
	closing     bool // it was told that the pool closes
}

// tasks is the table of tasks and what waits in it. Guarded by Pool.mu.
type tasks struct {
	all        []*task // by index
	free       []*task
	placeFree  chan struct{} // closed when a slot becomes free; nil while nobody waits for one
	pending    taskList      // in no lane
	delayed    taskList      // wait before they are tried again
	unresolved int
	lastNumber uint64 // of a task or range
}

// releases is what is to be released without the lock by the next p.unlock. Guarded
// by Pool.mu.
type releases struct {
	tasks []*task           // resolved, with pins
	views []shm.OwnedBinder // of results that nobody wants
	large []*largeResult    // likewise
	pins  []shm.Pin         // of ranges whose caller has left
	spare []*task           // memory for tasks
}

type taskState uint8

const (
	taskFree taskState = iota
	taskPending
	taskSent     // in a lane: waiting there or running
	taskEnding   // result or error known, pins being released
	taskResolved // ready for Wait
)

// A submitted task is known by its number for as long as the pool lives, and by its id in
// the table.
type submitted struct {
	id     wire.TaskID
	number uint64
	bytes  int64 // of its arguments, by value
}

// submit hands a task to the pool, unless ctx has ended. deadline is that of its context, as
// in wire.Task; g and tag are those of [Fn.MapUnordered].
func submit[In any](ctx context.Context, p *Pool, e *entry, in *In, deadline int64, g *completionSet, tag int) (s submitted, err error) {
	if err := ctx.Err(); err != nil {
		return submitted{}, err
	}
	p.mu.Lock()
	t, err := p.admitLocked(e)
	if err != nil {
		p.mu.Unlock()
		return submitted{}, fmt.Errorf("pool: submit %s: %w", e.name, err)
	}
	t.completions, t.tag, t.args.deadline = g, tag, deadline
	quick := e.in.Quick()
	var large *codec.Large
	if quick {
		t.args.bytes, large, err = codec.EncodeRecovered(e.in, t.args.bytes[:0], in, nil)
		t.args.valueBytes = int64(len(t.args.bytes))
	}
	if err == nil && (!quick || large != nil) {
		p.mu.Unlock() // until it is pending nobody else looks at it
		if err = encodeArguments(p, e, in, &t.args, large); err != nil {
			release(t.args.pins)
		}
		p.mu.Lock()
	}
	if err == nil {
		p.enterUnlocking(t)
		s = submitted{t.id, t.number, t.args.valueBytes}
	} else {
		p.freeLocked(t)
		err = fmt.Errorf("pool: submit %s: %w", e.name, err)
	}
	p.unlock()
	return s, err
}

// encodeArguments encodes arguments, which are known to be large where large is not nil.
func encodeArguments[In any](p *Pool, e *entry, in *In, a *arguments, large *codec.Large) (err error) {
	ref := func(field string, b shm.Binder) (shm.WireRef, error) {
		w, err := p.wire(a, field, b)
		a.refBytes += w.Ref.Bytes()
		return w, err
	}
	if large == nil {
		a.bytes, large, err = codec.EncodeRecovered(e.in, a.bytes[:0], in, ref)
		a.valueBytes = int64(len(a.bytes))
	}
	if err == nil && large != nil {
		err = p.putLarge(a, large, ref)
	}
	return err
}

// deadlineOf is a context's, as in wire.Task.
func deadlineOf(ctx context.Context) int64 {
	if at, ok := ctx.Deadline(); ok {
		return at.UnixNano()
	}
	return 0
}

// enterUnlocking makes an encoded task pending.
func (p *Pool) enterUnlocking(t *task) {
	p.tasks.unresolved++
	t.number = p.numberTaskLocked()
	if err := p.endedLocked(); err != nil { // closed while the arguments were encoded
		p.resolveLocked(t, nil, err)
		return
	}
	p.stats.Memory.BytesByRef += t.args.refBytes
	p.stats.BytesByValue += t.args.valueBytes
	p.wakeHelpersLocked()
	if p.tasks.pending.first == nil {
		if w := p.pickLocked(t.recordBytes()); w != nil && p.sendLocked(w, t) {
			w.lane.PublishSome()
			return
		}
	}
	t.state = taskPending
	p.tasks.pending.pushBack(t)
	p.dispatchLocked()
	if t.state == taskPending && !p.leader.held { // the lanes are full, perhaps of results
		p.leader.held = true
		p.drainUnlocking()
		p.handOverLocked()
	}
}

// admitLocked takes a free slot of the table.
func (p *Pool) admitLocked(e *entry) (*task, error) {
	if err := p.endedLocked(); err != nil {
		return nil, err
	}
	fn, known := p.table.number(e)
	if !known {
		return nil, fmt.Errorf("function %q was registered after the pool was made: use a package-level variable", e.name)
	}
	if len(p.tasks.free) == 0 {
		if len(p.tasks.all) >= p.opts.MaxPending {
			return nil, fmt.Errorf("%w: %d; Wait for some, or Discard them", ErrFull, p.opts.MaxPending)
		}
		p.growLocked()
	}
	n := len(p.tasks.free) - 1
	t := p.tasks.free[n]
	p.tasks.free = p.tasks.free[:n]
	t.entry, t.fn = e, fn
	return t, nil
}

// growLocked makes the table larger, by a block.
func (p *Pool) growLocked() {
	block := make([]task, min(64, p.opts.MaxPending-len(p.tasks.all)))
	for i := range block {
		t := &block[i]
		t.id = wire.TaskID{Index: uint32(len(p.tasks.all)), Epoch: 1}
		t.token = make(chan struct{}, 1)
		p.tasks.all = append(p.tasks.all, t)
	}
	for i := range block { // the lowest first
		p.tasks.free = append(p.tasks.free, &block[len(block)-1-i])
	}
}

// resolveLocked ends a task, once; p.unlock does the rest where it has pins.
func (p *Pool) resolveLocked(t *task, result []byte, err error) {
	p.tasks.unresolved--
	switch {
	case err == nil:
		p.stats.Done++
	case errors.Is(err, ErrCancelled):
		p.stats.Cancelled++
	default:
		p.stats.Failed++
	}
	t.place.worker, t.out.err = nil, err
	t.out.bytes = append(t.out.bytes[:0], result...)
	if len(t.args.pins) == 0 {
		p.resolvedLocked(t)
		return
	}
	t.state = taskEnding
	p.releases.tasks = append(p.releases.tasks, t)
}

// resolvedLocked tells who waits for it.
func (p *Pool) resolvedLocked(t *task) {
	t.state = taskResolved
	switch {
	case t.discarded:
		p.freeLocked(t)
	case t.completions != nil:
		t.completions.ready = append(t.completions.ready, t)
		p.leader.overLocked(&t.completions.waiter)
	default:
		p.leader.overLocked(&t.waiter)
	}
}

// unlock is mu.Unlock for whoever may have resolved or freed tasks. Their pins
// and unwanted results are released without the lock, because the last pin of a
// segment runs its hooks, and the pins before the futures are told, so that a
// caller who got his result finds the memory free.
func (p *Pool) unlock() {
	for len(p.releases.tasks)+len(p.releases.views)+len(p.releases.large)+len(p.releases.pins) > 0 {
		r := p.releases
		p.releases = releases{tasks: r.spare[:0]}
		p.mu.Unlock()
		release(r.views)
		release(r.large)
		release(r.pins)
		ending := r.tasks
		for _, t := range ending {
			release(t.args.pins)
		}
		p.mu.Lock()
		for i, t := range ending {
			t.args.pins, t.args.segs = t.args.pins[:0], t.args.segs[:0]
			p.resolvedLocked(t)
			ending[i] = nil
		}
		p.releases.spare = ending[:0]
	}
	p.mu.Unlock()
}

// release releases all, whatever the hooks of their segments do: a panic in one is a
// panic of its own goroutine, and the program's end, and does not unwind whoever
// happens to be here.
func release[R interface{ Release() }](held []R) {
	for _, h := range held {
		func() {
			over := false
			defer func() {
				if !over {
					v, stack := recover(), debug.Stack() // nil for runtime.Goexit
					go func() { panic(fmt.Sprintf("pool: a hook of a view or segment has not returned: %v\n\n%s", v, stack)) }()
				}
			}()
			h.Release()
			over = true
		}()
	}
}

// freeLocked puts a slot, whose pins were released, back into the table;
// p.unlock gives up a result that nobody took.
func (p *Pool) freeLocked(t *task) {
	p.releases.views = append(p.releases.views, t.out.views...)
	if t.out.large != nil {
		p.releases.large = append(p.releases.large, t.out.large)
	}
	t.id.Epoch = max(t.id.Epoch+1, 1) // never 0
	t.state, t.entry, t.completions = taskFree, nil, nil
	t.args.reset()
	t.out.value, t.out.views, t.out.large, t.out.err = nil, nil, nil, nil
	t.tries, t.cancel = policy.Tries{}, cancellation{}
	t.over, t.hadToWait, t.waiting, t.discarded, t.delayed = false, false, false, false, false
	p.tasks.free = append(p.tasks.free, t)
	p.placeFreeLocked()
}

// findLocked finds the task of a future that is still good.
func (p *Pool) findLocked(id wire.TaskID) *task {
	if int64(id.Index) >= int64(len(p.tasks.all)) {
		return nil
	}
	if t := p.tasks.all[id.Index]; t.id == id && t.state != taskFree && !t.discarded {
		return t
	}
	return nil
}

// WaitFree waits until a Submit would not fail with [ErrFull], that is, until fewer than
// Options.MaxPending tasks are in the table. Nothing is reserved: another goroutine may
// submit first, so call Submit again, and WaitFree again if that is ErrFull. It may be
// called from several goroutines; all of them hear of a free place.
//
// The error is ctx's if that ends first, or what Submit would fail with because the pool
// has ended: [ErrClosed], or what broke it.
func (p *Pool) WaitFree(ctx context.Context) error {
	for {
		p.mu.Lock()
		err, free := p.endedLocked(), len(p.tasks.free) > 0 || len(p.tasks.all) < p.opts.MaxPending
		if err != nil || free {
			p.mu.Unlock()
			return err
		}
		if p.tasks.placeFree == nil {
			p.tasks.placeFree = make(chan struct{})
		}
		freed := p.tasks.placeFree
		p.mu.Unlock()
		select {
		case <-freed:
		case <-p.ending.ended:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// placeFreeLocked wakes those who wait for a place in the table.
func (p *Pool) placeFreeLocked() {
	if p.tasks.placeFree != nil {
		close(p.tasks.placeFree)
		p.tasks.placeFree = nil
	}
}

// A taskList is the queue of tasks that no worker has: first in, first out, and
// a task that comes back from a dead worker goes to the front.
type taskList struct {
	first, last *task
	n           int
}

func (l *taskList) pushBack(t *task) {
	t.prev, t.next = l.last, nil
	if l.last != nil {
		l.last.next = t
	} else {
		l.first = t
	}
	l.last = t
	l.n++
}

func (l *taskList) pushFront(t *task) {
	t.prev, t.next = nil, l.first
	if l.first != nil {
		l.first.prev = t
	} else {
		l.last = t
	}
	l.first = t
	l.n++
}

func (l *taskList) popFront() *task {
	t := l.first
	l.remove(t)
	return t
}

func (l *taskList) remove(t *task) {
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		l.first = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		l.last = t.prev
	}
	t.prev, t.next = nil, nil
	l.n--
}

// A completionSet is tasks of one MapUnordered, of which any that has resolved is taken next.
type completionSet struct {
	waiter
	ready []*task // resolved, and not yet taken
}

// unlocked calls f without Pool.mu, and holds it again however f has ended.
func (p *Pool) unlocked(f func()) {
	p.unlock()
	defer p.mu.Lock()
	f()
}

// numberTaskLocked is the number of the next task or range.
func (p *Pool) numberTaskLocked() uint64 {
	p.tasks.lastNumber++
	return p.tasks.lastNumber
}
