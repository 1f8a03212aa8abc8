package pool

import (
	"context"
	"errors"
)

// runTask runs f in p for an item. With the result the item holds its Views, and no
// longer what it has brought.
func runTask[In, Out any](ctx context.Context, p *Pool, f *Fn[In, Out], it *item[In]) (v Out, err error) {
	fut, err := f.Submit(ctx, p, it.v)
	for errors.Is(err, ErrFull) {
		if err = p.awaitFree(ctx); err == nil {
			fut, err = f.Submit(ctx, p, it.v)
		}
	}
	if err != nil {
		return v, err
	}
	t, err := p.await(ctx, fut.id, false)
	if err != nil {
		fut.Cancel()
		fut.Discard()
		return v, err
	}
	made := &holds{size: t.resultBytes()}
	for _, b := range t.views {
		made.list = append(made.list, b)
	}
	if v, _, err = take[Out](p, fut.codec, t); err != nil {
		return v, err
	}
	err = it.held.release()
	it.held = made
	return v, err
}

// resultBytes is the size of the arrays of a resolved task's result.
func (t *task) resultBytes() (n int64) {
	for _, b := range t.views {
		ref := b.Ref()
		n += ref.Bytes()
	}
	return n
}

// awaitFree waits until the table has a place that Submit could take, or ctx ends, or
// the pool.
func (p *Pool) awaitFree(ctx context.Context) error {
	p.mu.Lock()
	if len(p.tasks.free) > 0 || len(p.tasks.all) < p.opts.MaxPending {
		p.mu.Unlock()
		return nil
	}
	if p.tasks.placeFree == nil {
		p.tasks.placeFree = make(chan struct{})
	}
	freed := p.tasks.placeFree
	p.mu.Unlock()
	select {
	case <-freed:
	case <-p.ending.ended: // which Submit says better
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// placeFreeLocked tells who waits for a place in the table.
func (p *Pool) placeFreeLocked() {
	if p.tasks.placeFree != nil {
		close(p.tasks.placeFree)
		p.tasks.placeFree = nil
	}
}
