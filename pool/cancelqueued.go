package pool

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
	case t.state == taskSent && t.place.worker.lane.TakeBack(t.place.at):
		t.tries.attempt--
	default:
		return false
	}
	p.resolveLocked(t, nil, ErrCancelled)
	return true
}
