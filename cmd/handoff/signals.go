package main

import "context"

// secondKey is the key of the context that ends at the second signal.
type secondKey struct{}

// secondSignal is a context that ends at the second signal, where ctx ends at the
// first.
func secondSignal(ctx context.Context) context.Context {
	if second, ok := ctx.Value(secondKey{}).(context.Context); ok {
		return second
	}
	return context.WithoutCancel(ctx)
}
