package queue

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"
)

// Bounds of a Queue whose options leave them at zero.
const (
	// DefaultItems is the bound in items.
	DefaultItems = 256
	// DefaultBytes is the bound in bytes: 64 MiB.
	DefaultBytes = 64 << 20
)

// ErrClosed is returned by Put once the queue is closed, and by Get once
// it is closed and empty. A retry cannot help.
var ErrClosed = errors.New("queue: closed")

// Options bounds a Queue. The zero value is ready to use.
type Options struct {
	// MaxItems is the largest number of items held. Zero means
	// DefaultItems; a negative number is an error of New.
	MaxItems int
	// MaxBytes is the largest sum of the byte charges held. Zero means
	// DefaultBytes; a negative number is an error of New.
	MaxBytes int64
}

// A Queue hands items from producers to consumers in the order in which they
// were put, and holds only so many items and so many bytes: when it is full,
// Put blocks, so a slow consumer slows its producers down instead of filling
// memory.
//
// The bytes of an item are whatever its producer says. They are charged from
// the moment Put admits the item until a Get takes it; what a consumer does
// with the item afterwards is no longer the queue's concern. An item that is
// larger than the byte bound is admitted when the queue is empty and then sits
// there alone, so it is delayed but never stuck.
//
// Waiting is fair: blocked Puts are admitted in the order in which they
// arrived, and so are blocked Gets served. A small item does not overtake a
// large one that waits for room, so that one is admitted as soon as those before
// it were taken.
//
// A Queue belongs to one process. All its methods may be called at once from
// any number of goroutines; a Put happens before the Get that returns its
// item. It owns no goroutine, so one that is dropped needs no Close. The slots
// it has grown to stay allocated for as long as it does; what was in them does
// not. Only New makes a usable Queue, and it must not be copied.
type Queue[T any] struct {
	maxItems int
	maxBytes int64

	mu       sync.Mutex
	ring     []item[T] // grows by doubling, up to maxItems
	first    int       // index in ring of the oldest item
	items    int
	bytes    int64
	closed   bool
	born     time.Time
	full     waitClock // runs while a Put waits, or would
	empty    waitClock // runs while nothing is held
	putters  list.List // of *waiter[T], oldest first
	getters  list.List // of *waiter[T]; not empty only if items == 0
	putWaits waitClock
	getWaits waitClock
	stats    Stats // the counters and high-water marks; Stats fills in the rest
}

type item[T any] struct {
	v     T
	bytes int64
}

// A waiter is one blocked Put, with the item it offers, or one blocked
// Get, with room for the item it is given. Who settles it removes it from its
// list, writes the outcome and closes ready, all under Queue.mu: so a waiter
// is in its list exactly as long as its outcome is open.
type waiter[T any] struct {
	item    item[T]
	err     error
	settled bool
	place   *list.Element
	ready   chan struct{}
}

// New returns an empty queue. A nil opts means the defaults; opts is
// copied. A negative bound is an error.
func New[T any](opts *Options) (*Queue[T], error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if o.MaxItems < 0 {
		return nil, fmt.Errorf("queue: New: MaxItems is %d, expected 0 or more", o.MaxItems)
	}
	if o.MaxBytes < 0 {
		return nil, fmt.Errorf("queue: New: MaxBytes is %d, expected 0 or more", o.MaxBytes)
	}
	if o.MaxItems == 0 {
		o.MaxItems = DefaultItems
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultBytes
	}
	q := &Queue[T]{maxItems: o.MaxItems, maxBytes: o.MaxBytes, born: time.Now()}
	q.empty.enter(q.born)
	return q, nil
}

// Put appends v, charged with the given number of bytes, and blocks while
// there is no room for it. ctx bounds that wait and nothing else.
//
// The queue holds v if and only if the error is nil. The error is ctx.Err()
// if ctx ended first, or ErrClosed if the queue was closed before v was
// admitted. A Put whose ctx ends in the moment it is admitted returns nil.
// Put panics if bytes is negative.
func (q *Queue[T]) Put(ctx context.Context, v T, bytes int64) error {
	if bytes < 0 {
		panic(fmt.Sprintf("queue: Queue.Put: bytes is %d", bytes))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return ErrClosed
	}
	it := item[T]{v, bytes}
	if q.putters.Len() == 0 && q.fitsLocked(bytes) {
		q.pushLocked(it)
		q.settleLocked()
		q.mu.Unlock()
		return nil
	}
	w := joinLocked(&q.putters, &q.putWaits, it)
	q.turnLocked()
	q.mu.Unlock()
	return q.await(ctx, w, &q.putters, &q.putWaits)
}

// Get removes the oldest item and returns it, blocking while there is none.
// ctx bounds that wait and nothing else. The item belongs to the caller.
//
// An item is gone from the queue if and only if the error is nil. The error
// is ctx.Err() if ctx ended first, or ErrClosed if the queue is closed
// and everything in it has been taken. A Get whose ctx ends in the moment it
// is given an item returns that item.
func (q *Queue[T]) Get(ctx context.Context) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	q.mu.Lock()
	if q.items > 0 {
		it := q.popLocked()
		q.settleLocked()
		q.mu.Unlock()
		return it.v, nil
	}
	if q.closed {
		q.mu.Unlock()
		return none, ErrClosed
	}
	w := joinLocked(&q.getters, &q.getWaits, item[T]{})
	q.mu.Unlock()
	err := q.await(ctx, w, &q.getters, &q.getWaits)
	return w.item.v, err
}

// Close ends the queue for producers: blocked and later Puts return
// ErrClosed, and their items are not in the queue. Consumers still get
// what is left, then ErrClosed. Close never blocks, may be called at any
// time and more than once, and always returns nil.
func (q *Queue[T]) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for q.putters.Len() > 0 {
		grantFrontLocked(&q.putters, &q.putWaits, item[T]{}, ErrClosed)
	}
	for q.getters.Len() > 0 { // they wait only because nothing is left
		grantFrontLocked(&q.getters, &q.getWaits, item[T]{}, ErrClosed)
	}
	q.turnLocked()
	return nil
}

// All is a loop of Gets: it yields items until the queue is closed and empty,
// and then ends. When ctx ends first, the last pair is a zero item and ctx.Err().
// The loop may be left at any time, what it has not yielded stays in the queue; and
// several may run at once, each item is yielded by one.
func (q *Queue[T]) All(ctx context.Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := q.Get(ctx)
			if errors.Is(err, ErrClosed) || !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// await blocks until w is settled or ctx ends. The lock decides which came
// first, so an outcome that was granted is never thrown away.
func (q *Queue[T]) await(ctx context.Context, w *waiter[T], l *list.List, clock *waitClock) error {
	select {
	case <-w.ready:
		return w.err
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if w.settled {
		return w.err
	}
	l.Remove(w.place)
	clock.leave(time.Now())
	q.settleLocked() // the Put behind this one may be smaller and fit
	return ctx.Err()
}

// settleLocked admits and serves waiters until none can be helped. Every
// change of the queue's contents or of the head of a waiting line ends here.
func (q *Queue[T]) settleLocked() {
	for {
		switch {
		case q.getters.Len() > 0 && q.items > 0:
			grantFrontLocked(&q.getters, &q.getWaits, q.popLocked(), nil)
		case q.putters.Len() > 0 && q.fitsLocked(frontOf[T](&q.putters).item.bytes):
			q.pushLocked(frontOf[T](&q.putters).item)
			grantFrontLocked(&q.putters, &q.putWaits, item[T]{}, nil)
		default:
			q.turnLocked()
			return
		}
	}
}

func (q *Queue[T]) fitsLocked(bytes int64) bool {
	// The subtraction cannot overflow, the sum could.
	return q.items == 0 || q.items < q.maxItems && bytes <= q.maxBytes-q.bytes
}

func (q *Queue[T]) pushLocked(it item[T]) {
	if q.items == len(q.ring) {
		q.growLocked()
	}
	q.ring[(q.first+q.items)%len(q.ring)] = it
	q.items++
	q.bytes += it.bytes
	q.stats.Puts++
	q.stats.HighItems = max(q.stats.HighItems, q.items)
	q.stats.HighBytes = max(q.stats.HighBytes, q.bytes)
	if q.items == 1 {
		q.empty.leave(time.Now())
	}
	q.turnLocked()
}

func (q *Queue[T]) popLocked() item[T] {
	it := q.ring[q.first]
	q.ring[q.first] = item[T]{} // let go of what the item refers to
	q.first = (q.first + 1) % len(q.ring)
	q.items--
	q.bytes -= it.bytes
	q.stats.Gets++
	if q.items == 0 {
		q.empty.enter(time.Now())
	}
	q.turnLocked()
	return it
}

// turnLocked starts or stops the clock of a full queue.
func (q *Queue[T]) turnLocked() {
	full := q.items >= q.maxItems || q.bytes >= q.maxBytes || q.putters.Len() > 0
	switch {
	case full && q.full.blocked == 0:
		q.full.enter(time.Now())
	case !full && q.full.blocked > 0:
		q.full.leave(time.Now())
	}
}

func (q *Queue[T]) growLocked() {
	size := 8
	if n := len(q.ring); n > 0 {
		size = n + min(n, q.maxItems-n) // pushed only while items < maxItems, so it grows
	}
	ring := make([]item[T], min(size, q.maxItems))
	n := copy(ring, q.ring[q.first:])
	copy(ring[n:], q.ring[:q.first])
	q.ring, q.first = ring, 0
}

func joinLocked[T any](l *list.List, clock *waitClock, it item[T]) *waiter[T] {
	w := &waiter[T]{item: it, ready: make(chan struct{})}
	w.place = l.PushBack(w)
	clock.enter(time.Now())
	return w
}

func frontOf[T any](l *list.List) *waiter[T] {
	return l.Front().Value.(*waiter[T])
}

func grantFrontLocked[T any](l *list.List, clock *waitClock, it item[T], err error) {
	w := frontOf[T](l)
	l.Remove(w.place)
	clock.leave(time.Now())
	w.item, w.err, w.settled = it, err, true
	close(w.ready)
}
