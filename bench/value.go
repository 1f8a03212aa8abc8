package bench

import (
	"context"

	"example.com/handoff/pool"
)

// A valuePeer hands over values of one type by value.
type valuePeer interface {
	call(ctx context.Context, p *pool.Pool, v any, a asked) (touchOut, error)
}

type valueIn[T any] struct {
	asked
	V T
}

type valuePeerOf[T any] struct {
	fn *pool.Fn[valueIn[T], touchOut]
}

func newValuePeer[T any](name string) valuePeer {
	return valuePeerOf[T]{pool.Func("bench.value-"+name, func(_ *pool.Task, in valueIn[T]) (touchOut, error) {
		return in.touched(func(t *toucher, touch Touch) (uint64, error) { return t.of(&in.V, touch) })
	})}
}

func (o valuePeerOf[T]) call(ctx context.Context, p *pool.Pool, v any, a asked) (touchOut, error) {
	return o.fn.Call(ctx, p, valueIn[T]{a, *v.(*T)})
}

// A byValue hands each value over as a task's argument of its own type.
type byValue struct{ shared }

// copied is what the pool counts where it copies: what lies in side blocks, once in and once
// out, and what goes through the ring of the worker.
func (c *byValue) copied() int64 {
	s := c.pool.Stats()
	return s.CopiedIn + s.CopiedOut + 2*(s.BytesByValue-s.CopiedIn)
}

func (c *byValue) handoff(ctx context.Context, k int) (int, error) { return c.repeat(ctx, k, c) }

func (c *byValue) ask(ctx context.Context, seq uint64) (uint64, error) {
	head := c.head
	head.Seq = seq
	out, err := c.in.p.byValue.call(ctx, c.pool, c.in.v, head)
	return c.heard(ctx, out, err)
}
