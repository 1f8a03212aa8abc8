package pool

import (
	"fmt"

	"example.com/handoff/pool/internal/wire"
)

// CancelQueued cancels every task that no worker has begun, also one that waits to be
// tried again: it resolves with [ErrCancelled]. Tasks that run go on, and so do ranges.
func (p *Pool) CancelQueued() {
	p.mu.Lock()
	defer p.unlock()
	for _, t := range p.tasks.all {
		p.cancelQueuedLocked(t)
	}
}

// cancelQueuedLocked cancels a task of the table unless a worker has begun it. It reports
// whether it did.
func (p *Pool) cancelQueuedLocked(t *task) bool {
	switch {
	case t.state == taskPending && t.delayed:
		p.tasks.delayed.remove(t)
		t.delayed = false
	case t.state == taskPending:
		p.tasks.pending.remove(t)
	case t.state == taskSent && t.place.worker.lane.Revoke(t.place.at):
		t.tries.Attempt--
	default:
		return false
	}
	p.resolveLocked(t, nil, ErrCancelled)
	return true
}

// giveUpResults releases the results that nobody waits for.
func (p *Pool) giveUpResults() {
	p.mu.Lock()
	defer p.unlock()
	for _, t := range p.tasks.all {
		if t.state == taskResolved && !t.waiting && t.out.views != nil {
			p.releases.views = append(p.releases.views, t.out.views...)
			t.out.value, t.out.views = nil, nil
			t.out.err = fmt.Errorf("%w, and the result of %s given up", ErrClosed, t.entry.name)
		}
	}
}

// cancel ends a task; a running one gently, or else by killing its worker in the end.
func (p *Pool) cancel(id wire.TaskID, gently bool) {
	p.mu.Lock()
	defer p.unlock()
	t := p.findLocked(id)
	if t == nil {
		return
	}
	if !p.cancelQueuedLocked(t) && t.state == taskSent {
		t.cancel.cooperative = gently && (t.cancel.cooperative || !t.cancel.asked)
		t.cancel.asked = true
		t.place.worker.link.Send(wire.AppendCancel(nil, t.id), -1)
	}
}

func (p *Pool) discard(id wire.TaskID) {
	p.mu.Lock()
	defer p.unlock()
	t := p.findLocked(id)
	if t == nil || t.waiting {
		return
	}
	t.discarded = true
	if t.state == taskResolved {
		p.freeLocked(t)
	}
}
