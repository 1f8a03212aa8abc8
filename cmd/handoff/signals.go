package main

import (
	"context"
	"sync/atomic"
)

// A secondWaiter is where a verb says that it waits for a second signal.
type secondWaiter struct {
	ctx   context.Context
	waits atomic.Bool
}

// secondSignal is a context that ends at the second signal, where ctx ends at the
// first.
func secondSignal(ctx context.Context) context.Context {
	w, ok := ctx.Value(secondKey{}).(*secondWaiter)
	if !ok {
		return context.WithoutCancel(ctx)
	}
	w.waits.Store(true)
	return w.ctx
}

// secondKey is the key of a context's secondWaiter.
type secondKey struct{}
