package worker

import (
	"fmt"

	"example.com/handoff/pool/internal/codec"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// bindLarge is the encoded arguments in the side block whose wire ref args is. They stay
// there until the function returns.
func (c *Call) bindLarge(args []byte) ([]byte, error) {
	w, rest, err := shm.ReadWireRef(args)
	if err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("arguments: %w", wire.ErrMalformed)
	}
	block := new(shm.View[byte])
	if err := c.Bind("arguments", block, w); err != nil {
		return nil, err
	}
	c.largeArguments = true
	return block.Data(), nil
}

// Decoded counts the copy that decoding the arguments has made, if they are in a side block.
func (c *Call) Decoded(args []byte) {
	if c.largeArguments {
		c.worker.lane.Copied.Out(len(args))
	}
}

// PutLarge puts a result that is too long for a record into a side block, in the arena of
// results, and appends the block's wire ref to dst. The supervisor makes room where that
// holds results by value; the error wraps [shm.ErrFull] where it can't.
func (c *Call) PutLarge(dst []byte, result *codec.Large) ([]byte, error) {
	c.usesArena.Store(true)
	block, err := shm.MakeUnzeroed[byte](c.arena, int(result.Bytes()))
	if err != nil {
		return dst, fmt.Errorf("its result of %d bytes: %w", result.Bytes(), err)
	}
	owned := block.Own()
	w, err := c.worker.results.ref(&owned)
	if err != nil {
		return dst, err
	}
	if err := block.View().Guarded(func(mem []byte) error { return result.Write(mem, c.Ref) }); err != nil {
		return dst, fmt.Errorf("its result of %d bytes: %w", result.Bytes(), err)
	}
	c.worker.lane.Copied.In(block.Len())
	c.largeResult = true
	step("large-written")
	return w.Append(dst), nil
}
