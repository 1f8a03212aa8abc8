package shm

import "context"

// waiters are the calls of MakeWait that wait for room, in the order of their coming.
type waiters struct{ queue []chan struct{} }

func (w *waiters) wake() {
	if len(w.queue) > 0 {
		signal(w.queue[0])
	}
}

func (w *waiters) wakeAll() {
	for _, c := range w.queue {
		signal(c)
	}
}

// signal leaves one token in c.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// waitFor calls try when it is this call's turn and whenever room may have come,
// until try reports that it is done or ctx ends.
func (a *Arena) waitFor(ctx context.Context, try func() (done bool)) error {
	a.mu.Lock()
	first := len(a.waiters.queue) == 0
	a.mu.Unlock()
	if first && try() {
		return nil
	}
	c := make(chan struct{}, 1)
	c <- struct{}{} // room may have come between try and now
	a.mu.Lock()
	a.waiters.queue = append(a.waiters.queue, c)
	a.mu.Unlock()
	defer func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		for i, o := range a.waiters.queue {
			if o == c {
				a.waiters.queue = append(a.waiters.queue[:i:i], a.waiters.queue[i+1:]...)
				break
			}
		}
		a.waiters.wake() // the next in turn
	}()
	for {
		select {
		case <-c:
		case <-ctx.Done():
			return ctx.Err()
		}
		a.mu.Lock()
		turn := a.waiters.queue[0] == c || a.closed
		a.mu.Unlock()
		if turn && try() {
			return nil
		}
	}
}
