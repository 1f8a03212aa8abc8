package pool

import "context"

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
