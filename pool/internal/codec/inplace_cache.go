package codec

import (
	"sync"
	"time"

	"example.com/handoff/shm"
)

// A Cache is what a worker has made of the Blocks of its arguments, for its next tasks.
type Cache struct {
	held *Held

	mu       sync.Mutex // guards what follows
	made     map[blockKey]*Made
	bytes    int64   // of spines in made, once their task has ended
	inUse    []*Made // by the running task
	tasks    uint64
	sweeper  *time.Timer // not nil while made has any
	poisoned [][]byte    // the last that were, where they are
}

type blockKey struct {
	plan       *Plan
	segment    uint32
	generation uint32
	offset     int64
	bytes      int64
}

// NewCache is an empty one. held counts what is made.
func NewCache(held *Held) *Cache { return &Cache{held: held, made: map[blockKey]*Made{}} }

// What a Cache keeps beside what a running task uses: the spines of so many Blocks, of so
// many bytes in all. What goes is made again when it is needed.
const (
	maxCached      = 1024
	maxCachedBytes = 256 << 20
)

// What was made of a Block whose memory is free goes within sweepTime, and no later than
// when as many new ones have come, by checksPerBlock.
const (
	sweepTime      = 250 * time.Millisecond
	checksPerBlock = 4
)

// use is what was made of a Block, or is to be made by the running task.
func (c *Cache) use(key blockKey, at mark) *Made {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.made[key]
	if m == nil {
		c.sweepLocked(checksPerBlock)
		m = &Made{held: c.held, mapsAgain: Poisons, mark: at, marked: at.load()}
		c.made[key] = m
		if c.sweeper == nil {
			c.sweeper = time.AfterFunc(sweepTime, c.sweep)
		}
	}
	if m.users == 0 {
		c.inUse = append(c.inUse, m)
	}
	m.users, m.usedAt = m.users+1, c.tasks
	return m
}

// sweep drops what was made of Blocks that are free.
func (c *Cache) sweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweepLocked(len(c.made))
	if c.sweeper == nil {
		return // it is closed
	}
	if len(c.made) == 0 {
		c.sweeper = nil
		return
	}
	c.sweeper.Reset(sweepTime)
}

// sweepLocked looks at some, which are others each time.
func (c *Cache) sweepLocked(some int) {
	for k, m := range c.made {
		if some--; some < 0 {
			return
		}
		if m.users == 0 && (m.marked == 0 || m.mark.load() != m.marked) {
			c.dropOneLocked(k, m)
		}
	}
}

// Own is for a Block that the running task has made: what is made of it ends with the task.
func (c *Cache) Own(b *Block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.made.gone, b.made.held, b.made.mapsAgain = true, c.held, Poisons
	c.inUse = append(c.inUse, b.made)
}

// EndTask says that no value of a Block is used any more.
func (c *Cache) EndTask() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.inUse {
		m.users = 0
		if m.gone {
			c.freeLocked(m)
			continue
		}
		c.bytes += m.bytes() - m.counted
		m.counted = m.bytes()
	}
	clear(c.inUse)
	c.inUse = c.inUse[:0]
	c.tasks++
	for Poisons && len(c.made) > 0 || len(c.made) > maxCached || c.bytes > maxCachedBytes {
		c.dropOldestLocked()
	}
}

func (c *Cache) dropOldestLocked() {
	var key blockKey
	var oldest *Made
	for k, m := range c.made {
		if oldest == nil || m.usedAt < oldest.usedAt {
			key, oldest = k, m
		}
	}
	c.dropOneLocked(key, oldest)
}

// Close forgets everything.
func (c *Cache) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(func(blockKey) bool { return true })
	if c.sweeper != nil {
		c.sweeper.Stop()
		c.sweeper = nil
	}
}

// Retire forgets the Blocks of a segment that is unmapped.
func (c *Cache) Retire(segment uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(func(k blockKey) bool { return k.segment == segment })
}

// Bytes is the memory that is kept.
func (c *Cache) Bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

func (c *Cache) dropLocked(which func(blockKey) bool) {
	for k, m := range c.made {
		if which(k) {
			c.dropOneLocked(k, m)
		}
	}
}

func (c *Cache) dropOneLocked(k blockKey, m *Made) {
	delete(c.made, k)
	c.bytes -= m.counted
	m.counted = 0
	if m.users > 0 {
		m.gone = true // EndTask frees it
	} else {
		c.freeLocked(m)
	}
}

// mostPoisoned bounds the addresses at which a fault is explained.
const mostPoisoned = 4096

func (c *Cache) freeLocked(m *Made) {
	c.poisoned = append(c.poisoned, m.free()...)
	if n := len(c.poisoned) - mostPoisoned; n > 0 {
		c.poisoned = append(c.poisoned[:0], c.poisoned[n:]...)
	}
}

// Ended reports whether v, what was recovered from a panic, is a fault in memory of a value
// whose task has ended. Only assertion builds know.
func (c *Cache) Ended(v any) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, mem := range c.poisoned {
		if _, _, ok := shm.FaultIn(v, mem); ok {
			return true
		}
	}
	return false
}
