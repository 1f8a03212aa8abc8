package pool

import (
	"cmp"
	"fmt"

	"example.com/handoff/pool/internal/wire"
)

// answerUnlocking takes what w has put into its lane: the result of a task, or of a block
// of a range. The error is what the worker did wrong. It lets go of Pool.mu meanwhile; the
// caller leads the waiters.
func (w *worker) answerUnlocking(record []byte) error {
	p, l := w.pool, w.lane
	var u wire.Usage
	if p.hooks.measured() {
		var ok bool
		if record, u, ok = wire.CutUsage(record); !ok {
			return fmt.Errorf("it sent a result of %d bytes, without what it has used", len(record))
		}
	}
	s := l.Oldest()
	if id, block, isLarge, part, ok := wire.ReadBlock(record); ok {
		if s == nil || s.ID != id || !s.Live || id.Index != shareIndex {
			return fmt.Errorf("it sent a block of a range that it was not given")
		}
		w.done++
		return w.blockLocked(p.taskOf(id), block, u, part, isLarge)
	}
	status, id, payload, ok := wire.ReadResult(record)
	if !ok {
		return fmt.Errorf("it sent a malformed result of %d bytes", len(record))
	}
	if s == nil || s.ID != id {
		return fmt.Errorf("it sent a result of a task that it was not given")
	}
	var t *task
	if s.Live {
		t = p.taskOf(id)
	}
	l.Short = l.Short || status == wire.StatusResources
	switch {
	case status == wire.StatusRevoked && !s.Asked && !l.Short:
		return fmt.Errorf("it did not run a task that was not taken back")
	case t == nil && status != wire.StatusRevoked:
		return fmt.Errorf("it sent a result of a task that was taken back before")
	case t != nil && t.share.job != nil:
		return w.shareEndedLocked(t, status, u, payload, wire.FreesRead(record))
	case status == wire.StatusRevoked:
		l.Pop()
		p.revokedLocked(t)
		return nil
	case status == wire.StatusResources:
		l.Pop()
		w.shortLocked(t, u, taskError(t.entry.name, status, payload))
		return nil
	}
	return w.finishUnlocking(t, status, u, payload, wire.FreesRead(record))
}

// finishUnlocking resolves a task that w has run. The error is what the worker did wrong.
// frees is how many messages of free blocks it had read by then. It lets go of Pool.mu
// meanwhile; the caller leads the waiters.
func (w *worker) finishUnlocking(t *task, status wire.Status, u wire.Usage, payload []byte, frees uint16) error {
	p, l := w.pool, w.lane
	got := boundResult{valueBytes: int64(len(payload))}
	done := status == wire.StatusOK || status == wire.StatusLarge
	if done && (status == wire.StatusLarge || t.entry.take != nil) {
		l.Oldest().Decoding = true // else a worker that has lied about what it has begun would lose it meanwhile
		var err error
		if got, err = w.bindUnlocking(t, payload, status == wire.StatusLarge); err != nil {
			return err
		}
	}
	l.Pop()
	if t.entry.grows || w.results.memoryWanted.Load() {
		w.results.satisfied(frees)
	}
	w.done++
	w.recycleLocked()
	err := got.failed
	if err == nil && !done {
		err = p.failureLocked(t, status, payload)
	}
	if err == nil {
		t.out.value, t.out.views, t.out.large = got.value, got.views, got.large
		p.stats.Memory.ResultBytesByRef += got.bytes
		p.stats.BytesByValue += got.valueBytes
	}
	if err != nil || got.value != nil || got.large != nil {
		payload = nil
	}
	w.attemptLocked(t, 0, u, err)
	p.resolveLocked(t, payload, err)
	return nil
}

// bindUnlocking binds a result with Views, or one in a side block, that w has sent. It lets
// go of Pool.mu meanwhile.
func (w *worker) bindUnlocking(t *task, payload []byte, isLarge bool) (got boundResult, err error) {
	p := w.pool
	p.unlocked(func() {
		if isLarge {
			got, err = w.results.bindInBlock(&p.large, t.entry, payload)
		} else {
			got, err = w.results.bind(t.entry, payload)
		}
	})
	if err != nil {
		return got, fmt.Errorf("its result of %s: %w", t.entry.name, err)
	}
	if t.discarded { // the worker hears of it before its next task
		p.releases.views = append(p.releases.views, got.views...)
		if got.large != nil {
			p.releases.large = append(p.releases.large, got.large)
		}
		got = boundResult{failed: got.failed}
	}
	if got.failed != nil {
		got.failed = &TaskError{Func: t.entry.name, Kind: "error", Text: got.failed.Error()}
	}
	return got, nil
}

// revokedLocked ends what was taken back from a worker, that has said so now. t is nil if
// it went elsewhere at once.
func (p *Pool) revokedLocked(t *task) {
	switch {
	case t == nil:
	case t.cancel.asked || p.ending.cause != nil:
		t.tries.Attempt--
		p.resolveLocked(t, nil, cmp.Or(p.endedLocked(), ErrCancelled))
	default:
		p.requeueLocked(t)
	}
}

// failureLocked makes the error of a task that has failed: the function's own, wrapped in
// ErrCancelled or ErrClosed where the failure came of these.
func (p *Pool) failureLocked(t *task, status wire.Status, payload []byte) error {
	err := taskError(t.entry.name, status, payload)
	switch {
	case t.cancel.closing && p.ending.cause != nil:
		return fmt.Errorf("%w while the task ran: %w", p.endedLocked(), err)
	case t.cancel.asked:
		return fmt.Errorf("%w: %w", ErrCancelled, err)
	}
	return err
}

// shortLocked replaces a worker that lacks what others have, descriptors mostly, for a
// task's arrays: the task has lost an attempt, and is tried elsewhere.
func (w *worker) shortLocked(t *task, u wire.Usage, err *TaskError) {
	p := w.pool
	w.retireLocked("it lacks resources: " + err.Text)
	w.attemptLocked(t, 0, u, err)
	switch {
	case p.ending.cause != nil:
		p.resolveLocked(t, nil, p.endedLocked())
	case t.cancel.asked:
		p.resolveLocked(t, nil, ErrCancelled)
	case t.tries.Exhausted(p.opts.Attempts):
		p.resolveLocked(t, nil, err)
	default:
		p.retryLocked(t)
	}
}
