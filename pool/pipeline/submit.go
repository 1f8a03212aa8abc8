package pipeline

import (
	"context"
	"errors"
	"sync"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

// tasksIn are the tasks of one run in one pool.
type tasksIn struct {
	// submitting is held to submit: for writing by who waits until tasks have ended whose
	// arguments take up the arena. Others wait behind him.
	submitting sync.RWMutex

	mu    sync.Mutex    // guards what follows
	n     int           // submitted, and not known to be over
	ended chan struct{} // closed when the next one is over
}

// begun counts a task in.
func (u *tasksIn) begun() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.n++
}

// over counts a task off.
func (u *tasksIn) over() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.n--
	if u.ended != nil {
		close(u.ended)
		u.ended = nil
	}
}

// under says how many there are, and what is closed when one of them is over.
func (u *tasksIn) under() (n int, ended <-chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.ended == nil {
		u.ended = make(chan struct{})
	}
	return u.n, u.ended
}

// submit hands a task to p. It waits where p's table is full, and where there is no memory
// for arguments as long as tasks of this run have some.
func submit[In, Out any](ctx context.Context, p *pool.Pool, f *pool.Fn[In, Out], in In, u *tasksIn) (pool.Future[Out], error) {
	once := func() (pool.Future[Out], error) {
		fut, err := f.Submit(ctx, p, in)
		if err == nil {
			u.begun()
		}
		return fut, err
	}
	for {
		u.submitting.RLock()
		fut, err := once()
		u.submitting.RUnlock()
		if noMemory(err) {
			fut, err = submitAlone(ctx, once, u)
		}
		if !errors.Is(err, pool.ErrFull) {
			return fut, err
		}
		if err := p.WaitFree(ctx); err != nil {
			return fut, err
		}
	}
}

// submitAlone is for a task for whose arguments there was no memory.
func submitAlone[Out any](ctx context.Context, once func() (pool.Future[Out], error), u *tasksIn) (pool.Future[Out], error) {
	u.submitting.Lock()
	defer u.submitting.Unlock()
	for {
		n, ended := u.under()
		fut, err := once()
		if !noMemory(err) || n == 0 { // what takes the memory is not of this run
			return fut, err
		}
		select {
		case <-ended:
		case <-ctx.Done():
			return fut, ctx.Err()
		}
	}
}

// noMemory reports whether a Submit has failed for want of memory that may become free.
func noMemory(err error) bool {
	return errors.Is(err, shm.ErrFull) && !errors.Is(err, pool.ErrTooLarge)
}
