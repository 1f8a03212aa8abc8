package chaos

import (
	"context"
	"errors"
	"slices"
	"time"
)

// A Target is what an [Engine] deals faults to: a program with worker processes. Its
// methods are called by the goroutine of [Engine.Run] alone.
type Target interface {
	// Parent is the process of which the workers are children.
	Parent() int
	// Workers are those that can be hit now, in an order that is the same each time.
	Workers() []Worker
	// Done is closed when there is nothing more to hit.
	Done() <-chan struct{}
	// Look is called ten times a second or more. An error ends Run.
	Look() error
	// Dealt is told of each Kill, Segv, Pause and Freeze that a worker has got.
	Dealt(Fault)
	// Deal does any other fault. It reports false if that cannot be done now: the
	// engine then rests, and tries again. stop is how long a stop should be.
	Deal(ctx context.Context, f Fault, stop time.Duration) (bool, error)
}

// A Worker is a process that can be hit.
type Worker struct {
	ID  int // of no other worker of this target
	PID int
}

// ErrEnded: the target has ended.
var ErrEnded = errors.New("chaos: the target has ended")

// An Engine deals faults to targets, in the order that a seed decides. [Start] has one
// over a pool; a test of another program with worker processes makes its own, which
// may go from one target to the next. It is for one goroutine, and Linux.
type Engine struct {
	// Every is the mean pause between two faults, and the mean length of a stop. The
	// target's methods may change it.
	Every time.Duration
	// MostStop is the longest stop. 0: no bound.
	MostStop time.Duration

	script *script
	next   *decision // was not dealt to the target before
	held   []held
	struck map[int]bool // workers that are to die, by ID
}

// held is a worker that was stopped.
type held struct {
	victim
	id    int
	until time.Time // zero: to the end
}

// maxLookPause bounds the time between two looks at the target, so that its end is noticed.
const maxLookPause = 100 * time.Millisecond

// NewEngine returns an engine. Seed and faults decide the sequence of decisions; those
// that are not of this package are the target's own.
func NewEngine(seed uint64, faults []Fault, every time.Duration) *Engine {
	return &Engine{Every: every, script: newScript(seed, faults), struck: map[int]bool{}}
}

// Run deals faults until the target or ctx has ended, which is then the error, Look or
// Deal returns an error, or most were dealt; 0: no bound. Before it returns the
// workers that it has stopped run again.
func (e *Engine) Run(ctx context.Context, t Target, most int) error {
	clear(e.struck)
	defer e.resume(func(held) bool { return true })
	for n := 0; most == 0 || n < most; n++ {
		if e.next == nil {
			d := e.script.next()
			e.next = &d
		}
		d := *e.next
		if err := e.Rest(ctx, t, e.times(d.pause)); err != nil {
			return err
		}
		e.next = nil
		if err := e.deal(ctx, t, d); err != nil {
			return err
		}
	}
	for len(e.held) > 0 {
		if err := e.Rest(ctx, t, maxLookPause); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) times(share float64) time.Duration {
	return time.Duration(share * float64(e.Every))
}

func (e *Engine) stop(d decision) time.Duration {
	if stop := e.times(d.stop); e.MostStop == 0 || stop < e.MostStop {
		return stop
	}
	return e.MostStop
}

// Rest sleeps, and lets those run again meanwhile whose stop is over. It ends early
// with the errors of [Engine.Run].
func (e *Engine) Rest(ctx context.Context, t Target, d time.Duration) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for end := time.Now().Add(d); ; {
		select {
		case <-timer.C:
		case <-t.Done():
		case <-ctx.Done():
		}
		now := time.Now()
		e.resume(func(h held) bool { return !h.until.IsZero() && !now.Before(h.until) })
		select {
		case <-t.Done():
			return ErrEnded
		default:
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := t.Look(); err != nil {
			return err
		}
		if !now.Before(end) {
			return nil
		}
		next := min(end.Sub(now), maxLookPause)
		for _, h := range e.held {
			if !h.until.IsZero() {
				next = min(next, h.until.Sub(now))
			}
		}
		timer.Reset(next)
	}
}

// resume lets those run again that are due, and drops them and those that are dead.
func (e *Engine) resume(due func(held) bool) {
	e.held = slices.DeleteFunc(e.held, func(h held) bool {
		if !due(h) && !h.dead() {
			return false
		}
		h.resume()
		h.close()
		return true
	})
}

// deal does what was decided, when it can be done. Where there is nobody to hit it
// rests first: else new workers would be hit as soon as they are there, and get
// nothing done.
func (e *Engine) deal(ctx context.Context, t Target, d decision) error {
	for {
		dealt, err := false, error(nil)
		switch d.fault {
		case Kill, Segv, Pause, Freeze:
			dealt = e.signal(t, d)
		default:
			dealt, err = t.Deal(ctx, d.fault, e.stop(d))
		}
		if err == nil && !dealt {
			err = e.Rest(ctx, t, min(max(e.Every, time.Millisecond), time.Second))
		}
		if err != nil || dealt {
			return err
		}
	}
}

// signal deals a fault from outside. It reports false if there is nobody to hit.
func (e *Engine) signal(t Target, d decision) bool {
	all := e.targets(t)
	if len(all) == 0 {
		return false
	}
	stops := d.fault == Pause || d.fault == Freeze
	if stops && len(all) == 1 && len(e.held) > 0 {
		return true // left out: somebody has to work
	}
	w := all[d.rank%uint32(len(all))]
	v, err := openVictim(w.PID, t.Parent())
	if err != nil {
		return false
	}
	// The handle is that of a child, and while the worker is listed it is that of the
	// worker: all other pids would have to be used up between the two.
	if !slices.Contains(t.Workers(), w) || v.deal(d.fault) != nil {
		v.close()
		return false
	}
	t.Dealt(d.fault)
	if !stops {
		e.struck[w.ID] = true
		v.close()
		return true
	}
	h := held{victim: v, id: w.ID}
	if d.fault == Pause {
		h.until = time.Now().Add(e.stop(d))
	}
	e.held = append(e.held, h)
	return true
}

// targets are the workers that can be hit: not those that are to die or are stopped.
func (e *Engine) targets(t Target) []Worker {
	all := t.Workers()
	for id := range e.struck {
		if !slices.ContainsFunc(all, func(w Worker) bool { return w.ID == id }) {
			delete(e.struck, id)
		}
	}
	return slices.DeleteFunc(all, func(w Worker) bool {
		return e.struck[w.ID] || slices.ContainsFunc(e.held, func(h held) bool { return h.id == w.ID })
	})
}
