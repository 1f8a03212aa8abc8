package pool

import (
	"fmt"
	"time"

	"example.com/handoff/pool/internal/wire"
)

// giveBackLocked decides what becomes of a task whose worker died under it.
func (w *worker) giveBackLocked(t *task, death *WorkerExitError) {
	p := w.pool
	switch {
	case p.ending.cause != nil:
		p.resolveLocked(t, nil, fmt.Errorf("%w while the task ran: %w", p.endedLocked(), death))
	case t.cancel.asked:
		p.resolveLocked(t, nil, fmt.Errorf("%w: %w", ErrCancelled, death))
	case t.tries.Exhausted(p.opts.Attempts):
		p.resolveLocked(t, nil, death)
	default:
		w.retries = append(w.retries, Event{Kind: EventRetry, Func: t.entry.name, Attempt: t.tries.Attempt + 1})
		p.retryLocked(t)
	}
}

// retryLocked puts a task whose worker died back in line, after a while: at once the
// first time, then up to 10 ms, 20 ms, … 1 s, with full jitter.
func (p *Pool) retryLocked(t *task) {
	t.state, t.place.worker = taskPending, nil
	p.stats.Retries++
	wait := t.tries.Died()
	if wait == 0 {
		p.tasks.pending.pushFront(t)
		return
	}
	t.delayed = true
	p.tasks.delayed.pushBack(t)
	id := t.id
	time.AfterFunc(wait, func() { p.endDelay(t, id) })
}

// endDelay puts a task back in line, if it is still the one that was delayed.
func (p *Pool) endDelay(t *task, id wire.TaskID) {
	p.mu.Lock()
	defer p.unlock()
	if t.id == id && t.delayed {
		p.tasks.delayed.remove(t)
		t.delayed = false
		p.tasks.pending.pushFront(t)
		p.dispatchLocked()
	}
}
