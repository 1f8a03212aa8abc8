package worker

import (
	"example.com/handoff/pool/internal/codec"
	"example.com/handoff/shm"
)

// lend makes a Block of the arguments what the cache has of it.
func (c *Call) lend(b shm.Binder, segment uint32) {
	if block, ok := b.(*codec.Block); ok && segment != 0 {
		block.Lend(c.worker.shared, segment)
		c.usesShared = true
	}
}

// Shared says that the running task has made a Block, by one copy of so many bytes.
func (c *Call) Shared(b *codec.Block, copied int64) {
	if c.worker != nil {
		c.worker.lane.Copied.In(int(copied))
		c.worker.shared.Own(b)
		c.sharesOwn.Store(true)
	}
}

// endShared ends what values of Blocks the task has.
func (c *Call) endShared() {
	if c.usesShared || c.sharesOwn.Load() {
		c.usesShared = false
		c.sharesOwn.Store(false)
		c.worker.shared.EndTask()
	}
}

// memories are where a fault is one in the argument.
func (a *argument) memories() [][]byte {
	all := [][]byte{a.memory}
	if block, ok := a.Binder.(*codec.Block); ok {
		all = append(all, block.Memory()...)
	}
	return all
}
