package bench

import (
	"context"

	"example.com/handoff/pool"
)

// A sharedPeer hands over values of one type that were shared once.
type sharedPeer interface {
	share(p *pool.Pool, v any) (sharedValue, error)
}

// A sharedValue is one of them.
type sharedValue interface {
	call(ctx context.Context, p *pool.Pool, a asked) (touchOut, error)
	release()
}

type sharedIn[T any] struct {
	asked
	V pool.Shared[T]
}

type sharedPeerOf[T any] struct {
	fn *pool.Fn[sharedIn[T], touchOut]
}

type sharedValueOf[T any] struct {
	fn *pool.Fn[sharedIn[T], touchOut]
	v  pool.Shared[T]
}

func newSharedPeer[T any](name string) sharedPeer {
	return sharedPeerOf[T]{pool.Func("bench.shared-"+name, func(_ *pool.Task, in sharedIn[T]) (touchOut, error) {
		return in.touched(func(t *toucher, touch Touch) (uint64, error) { return t.of(in.V.Get(), touch) })
	})}
}

func (o sharedPeerOf[T]) share(p *pool.Pool, v any) (sharedValue, error) {
	s, err := pool.Share(p, *v.(*T))
	return sharedValueOf[T]{o.fn, s}, err
}

func (s sharedValueOf[T]) call(ctx context.Context, p *pool.Pool, a asked) (touchOut, error) {
	return s.fn.Call(ctx, p, sharedIn[T]{a, s.v})
}

func (s sharedValueOf[T]) release() { s.v.Release() }

// An onceShared hands over a value that was shared once. Nothing can change in it.
type onceShared struct {
	shared
	value sharedValue
}

func (c *onceShared) load(in *instance) error {
	if err := c.plain.load(in); err != nil {
		return err
	}
	in.stamps.set(0)
	c.frozen = true
	value, err := in.p.shares.share(c.pool, in.v)
	if err == nil {
		c.value = value
	}
	return err
}

func (c *onceShared) handoff(ctx context.Context, k int) (int, error) { return c.repeat(ctx, k, c) }

func (c *onceShared) ask(ctx context.Context, seq uint64) (uint64, error) {
	head := c.head
	head.Seq = seq
	out, err := c.value.call(ctx, c.pool, head)
	return c.heard(ctx, out, err)
}

func (c *onceShared) unload() error {
	if c.value != nil {
		c.value.release()
		c.value = nil
	}
	c.pool.Arena().Trim()
	return nil
}
