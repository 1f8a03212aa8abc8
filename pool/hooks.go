package pool

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"time"
)

// calls hands values to a function of the user's, one at a time and in order, from a
// goroutine that is there while there are any. Nobody waits for the function and it runs
// under no lock, so it may be slow, and call whatever it likes.
type calls[T any] struct {
	f    func(v T, missed, behind int) // missed were dropped before v, behind wait after it; nil: nothing is handed on
	most int                           // values that may wait, those beyond are dropped; 0: no bound

	mu      sync.Mutex
	waiting []call[T]
	missed  int           // dropped since the last that was not
	dropped int64         // in all
	taken   int           // calls that were begun
	idle    chan struct{} // closed when none waits or runs; nil while that is so
}

type call[T any] struct {
	v      T
	missed int
}

// emit may be called with any lock held.
func (q *calls[T]) emit(v T) {
	if q.f == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.most > 0 && len(q.waiting) >= q.most {
		q.missed++
		q.dropped++
		return
	}
	q.waiting = append(q.waiting, call[T]{v, q.missed})
	q.missed = 0
	if q.idle == nil {
		q.idle = make(chan struct{})
		go q.run()
	}
}

func (q *calls[T]) run() {
	over := false
	defer func() {
		if !over { // the function has called runtime.Goexit
			go q.run()
		}
	}()
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			over = true
			q.waiting = nil
			close(q.idle)
			q.idle = nil
			q.mu.Unlock()
			return
		}
		next := q.waiting[0]
		q.waiting[0] = call[T]{}
		q.waiting = q.waiting[1:]
		q.taken++
		behind := len(q.waiting)
		q.mu.Unlock()
		q.f(next.v, next.missed, behind)
	}
}

// wait returns 0 when all values were handed on, or, when one call has taken longer than
// longest, how many were not, with that one.
func (q *calls[T]) wait(longest time.Duration) (left int) {
	timer := time.NewTimer(longest)
	defer timer.Stop()
	for last := -1; ; {
		q.mu.Lock()
		idle, taken, n := q.idle, q.taken, len(q.waiting)+1
		q.mu.Unlock()
		if idle == nil {
			return 0
		}
		if taken == last {
			return n
		}
		last = taken
		timer.Reset(longest)
		select {
		case <-idle:
		case <-timer.C:
		}
	}
}

// logs writes to a Logger.
type logs struct{ calls[slog.Record] }

// maxLogs bounds the records that wait for a slow handler.
const maxLogs = 1024

func (l *logs) open(to *slog.Logger) {
	h := to.Handler()
	if h == slog.DiscardHandler {
		return
	}
	l.most = maxLogs
	l.f = func(r slog.Record, missed, _ int) {
		if missed > 0 {
			r.AddAttrs(slog.Int("dropped_before", missed))
		}
		if ctx := context.Background(); h.Enabled(ctx, r.Level) {
			h.Handle(ctx, r)
		}
	}
}

// log may be called with any lock held.
func (l *logs) log(level slog.Level, text string, args ...any) {
	if l.f == nil {
		return
	}
	var pc [1]uintptr
	runtime.Callers(2, pc[:])
	r := slog.NewRecord(time.Now(), level, text, pc[0])
	r.Add(args...)
	l.emit(r)
}
