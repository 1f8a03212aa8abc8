package pipeline

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"example.com/handoff/shm"
)

type holdKey struct{}

// A Releaser is an array or another thing with an end: a [shm.Array], a
// [shm.OwnedView], an arrow.Record.
type Releaser interface{ Release() }

// Hold gives r to the pipeline, which releases it when the item that is being made, or
// written, has been through the next process stage or through write, or was dropped, by an
// error of this function too. ctx is what the function of a Go stage, or write, was
// given; it panics with another, and in a worker there is nothing to hold: see
// [pool.Task.Arena].
//
//	arr, err := shm.MakeWait[float64](ctx, p.Arena(), n)
//	…
//	pipeline.Hold(ctx, arr)
//	return In{X: arr.View()}, nil
func Hold(ctx context.Context, r Releaser) {
	h, ok := ctx.Value(holdKey{}).(*holds)
	if !ok {
		panic("pipeline: Hold: ctx is not one that a stage of a pipeline was given")
	}
	bytes := int64(0)
	if a, ok := r.(interface{ Ref() shm.Ref }); ok {
		ref := a.Ref()
		bytes = ref.Bytes()
	}
	if !h.add(r, bytes) {
		r.Release() // by a goroutine that was left behind: the item is gone
	}
}

// holds lists the views, and other memory, that are released with an item.
type holds struct {
	mu    sync.Mutex
	list  []Releaser
	size  int64
	ended bool
}

func (h *holds) add(r Releaser, bytes int64) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		return false
	}
	h.list = append(h.list, r)
	h.size += bytes
	return true
}

func (h *holds) bytes() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.size
}

// release ends it. The error says that somebody else has released something.
func (h *holds) release() (err error) {
	h.mu.Lock()
	list := h.list
	h.list, h.size, h.ended = nil, 0, true
	h.mu.Unlock()
	for _, r := range list {
		err = errors.Join(err, releaseOne(r))
	}
	return err
}

func releaseOne(r Releaser) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("what travels in a pipeline is the pipeline's to release: %v", v)
		}
	}()
	r.Release()
	return nil
}
