package codec

import (
	"fmt"
	"reflect"
	"sync"

	"example.com/handoff/shm"
)

// A Block is an encoded value in shared memory, which is read in place. It crosses as the
// array of bytes that it is in. A struct of a [0]T and a Block is a shared T.
type Block struct {
	shm.OwnedView[byte]
	plan *Plan
	made *Made // nil: the zero Block, which is of a zero value
	lent bool
}

// NewBlock is the Block of an encoding that somebody has written to v, which it takes over.
func NewBlock(p *Plan, v shm.OwnedView[byte]) Block {
	return Block{OwnedView: v, plan: p, made: new(Made)}
}

// Release gives up the memory, and what was made of it.
func (b *Block) Release() {
	if b.lent {
		panic("pool: Release of a task's argument: only what Share has returned, or a result, has one")
	}
	b.OwnedView.Release()
	if b.made != nil {
		b.made.free()
	}
}

// Check looks at a Block that was bound and that its writer may still change: its strings
// are copied here. The error says that it is none.
func (b *Block) Check() error {
	b.made = &Made{copyStrings: true}
	return b.View().Guarded(func(mem []byte) error {
		err := b.made.make(b.plan, mem)
		if err != nil {
			b.made.free()
		}
		return err
	})
}

// Lend makes a Block that was bound an argument: it reads what cache has of it.
func (b *Block) Lend(cache *Cache, segment uint32) {
	b.lent = true
	ref := b.Ref()
	b.made = cache.use(blockKey{b.plan, segment, ref.Generation, ref.Offset, ref.Bytes()})
}

// Spine is the memory outside of the Block that values of it lead to.
func (b *Block) Spine() [][]byte {
	if b.made == nil {
		return nil
	}
	if m := b.made.memo.Load(); m != nil {
		return m.spine.chunks
	}
	return nil
}

const sharedMixed = "the values of a Shared are in one block: put a View, Array, Carrier or Shared beside it"

// sharedPlans are the plans of shared types, by reflect.Type: made once, as a type is.
var sharedPlans sync.Map

// SharedPlan is the plan of the values in a Block.
func SharedPlan(t reflect.Type) (*Plan, error) {
	if p, ok := sharedPlans.Load(t); ok {
		return p.(*Plan), nil
	}
	p, err := CompileArgument(t)
	if err != nil {
		return nil, err
	}
	if p.arrays {
		return nil, fmt.Errorf("%v: %s", t, sharedMixed)
	}
	p.root.markOnce()
	for _, n := range p.nodes {
		n.markOnce()
	}
	made, _ := sharedPlans.LoadOrStore(t, p)
	return made.(*Plan), nil
}

// sharedType is T where t is a struct of a [0]T and a Block.
func sharedType(t reflect.Type) (of reflect.Type, ok bool) {
	if t.Kind() != reflect.Struct || t.NumField() != 2 || t.Field(1).Type != blockType {
		return nil, false
	}
	return t.Field(0).Type.Elem(), true
}

var blockType = reflect.TypeFor[Block]()

// markOnce marks the ops of what is made once and stays for all values of a Block, since
// the garbage collector need not look into it.
func (n *node) markOnce() {
	for i := range n.ops {
		o := &n.ops[i]
		switch o.kind {
		case opStrings:
			o.once = true
		case opSliceMem:
			o.once = o.elem.bools
		case opSlice, opPointer:
			o.once = !o.elem.reaches(func(o *op) bool {
				return o.kind == opMap || o.kind == opMarshal || o.kind == opInterface
			})
		}
	}
}

// A Cache is what a worker has made of the Blocks of its arguments, for its next tasks.
type Cache struct {
	mu    sync.Mutex // guards what follows
	made  map[blockKey]*Made
	bytes int64   // of spines in made, once their task has ended
	inUse []*Made // by the running task
	tasks uint64
}

type blockKey struct {
	plan       *Plan
	segment    uint32
	generation uint32
	offset     int64
	bytes      int64
}

// What a Cache keeps beside what a running task uses: the spines of so many Blocks, of so
// many bytes in all. What goes is made again when it is needed.
const (
	maxCached      = 1024
	maxCachedBytes = 256 << 20
)

// use is what was made of a Block, or is to be made by the running task.
func (c *Cache) use(key blockKey) *Made {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.made[key]
	if m == nil {
		c.dropLocked(func(k blockKey, m *Made) bool { // that memory was freed since
			return k.segment == key.segment && k.offset < key.offset+key.bytes && key.offset < k.offset+k.bytes &&
				k.generation != key.generation
		})
		m = new(Made)
		if c.made == nil {
			c.made = map[blockKey]*Made{}
		}
		c.made[key] = m
	}
	if m.users == 0 {
		c.inUse = append(c.inUse, m)
	}
	m.users, m.usedAt = m.users+1, c.tasks
	return m
}

// Own is for a Block that the running task has made: what is made of it ends with the task.
func (c *Cache) Own(b *Block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b.made.gone = true
	c.inUse = append(c.inUse, b.made)
}

// EndTask says that no value of a Block is used any more.
func (c *Cache) EndTask() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.inUse {
		m.users = 0
		if m.gone {
			m.free()
			continue
		}
		c.bytes += m.bytes() - m.counted
		m.counted = m.bytes()
	}
	clear(c.inUse)
	c.inUse = c.inUse[:0]
	c.tasks++
	for poisons && len(c.made) > 0 || len(c.made) > maxCached || c.bytes > maxCachedBytes {
		c.dropOldestLocked()
	}
}

func (c *Cache) dropOldestLocked() {
	var oldest *Made
	for _, m := range c.made {
		if oldest == nil || m.usedAt < oldest.usedAt {
			oldest = m
		}
	}
	c.dropLocked(func(_ blockKey, m *Made) bool { return m == oldest })
}

// Close forgets everything.
func (c *Cache) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(func(blockKey, *Made) bool { return true })
}

// Retire forgets the Blocks of a segment that is unmapped.
func (c *Cache) Retire(segment uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(func(k blockKey, _ *Made) bool { return k.segment == segment })
}

// Bytes is the memory that is kept.
func (c *Cache) Bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.bytes
}

func (c *Cache) dropLocked(which func(blockKey, *Made) bool) {
	for k, m := range c.made {
		if !which(k, m) {
			continue
		}
		delete(c.made, k)
		c.bytes -= m.counted
		m.counted = 0
		if m.users > 0 {
			m.gone = true // EndTask frees it
		} else {
			m.free()
		}
	}
}
