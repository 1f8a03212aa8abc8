package codec

import (
	"fmt"
	"reflect"
	"sync"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A Block is an encoded value in shared memory, which is read in place. It crosses as the
// array of bytes that it is in: HeaderBytes with a mark, and the encoding. A struct of a
// [0]T and a Block is a shared T.
type Block struct {
	shm.OwnedView[byte]
	plan *Plan
	made *Made // nil: the zero Block, which is of a zero value
	lent bool
}

// NewBlock is the Block in an array with an encoding, which the caller may release. Its mark
// is cleared when its memory is free. held counts what is made of it.
func NewBlock(p *Plan, array shm.Array[byte], held *Held) (b Block, err error) {
	pin, err := array.Pin()
	if err != nil {
		return b, err
	}
	b = Block{plan: p, made: &Made{held: held}}
	if err = BindTo(&b, pin.Segment(), array.Ref(), pin.Release); err != nil {
		pin.Release()
	}
	return b, err
}

// NewTaskBlock is NewBlock in the arena of a task, which ends it, or its caller does.
func NewTaskBlock(p *Plan, array shm.Array[byte]) Block {
	return Block{OwnedView: array.Own(), plan: p, made: new(Made)}
}

// BindTo is [shm.BindTo]. Of a Block it clears the mark before onRelease is called.
func BindTo(b shm.Binder, seg *shm.Segment, ref shm.Ref, onRelease func()) error {
	block, ok := b.(*Block)
	if !ok || seg == nil {
		return shm.BindTo(b, seg, ref, onRelease)
	}
	var m mark
	err := shm.BindTo(b, seg, ref, func() {
		m.clear()
		onRelease()
	})
	if err == nil {
		m = markIn(block.Bytes())
	}
	return err
}

// afterHeader is the encoding in the memory of a Block.
func afterHeader(mem []byte) ([]byte, error) {
	if len(mem) < HeaderBytes {
		return nil, wire.ErrMalformed
	}
	return mem[HeaderBytes:], nil
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
func (b *Block) Check(held *Held) error {
	b.made = &Made{copyStrings: true, held: held}
	return b.View().Guarded(func(mem []byte) error {
		mem, err := afterHeader(mem)
		if err == nil {
			err = b.made.make(b.plan, mem)
		}
		if err != nil {
			b.made.free()
		}
		return err
	})
}

// Lend makes a Block that was bound an argument: it reads what cache has of it.
func (b *Block) Lend(cache *Cache, segment uint32) {
	b.lent = true
	ref, mem := b.Ref(), b.Bytes()
	b.made = cache.use(blockKey{b.plan, segment, ref.Generation, ref.Offset, int64(len(mem))}, markIn(mem))
}

// Memory is what values of the Block lead to, outside of the memory that it was bound to.
func (b *Block) Memory() [][]byte {
	if b.made == nil {
		return nil
	}
	if m := b.made.memo.Load(); m != nil {
		return m.memory()
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
	p.whole = !p.root.reaches(madeAnew)
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
			o.once = !o.elem.reaches(madeAnew)
		}
	}
}

func madeAnew(o *op) bool { return o.kind == opMap || o.kind == opMarshal || o.kind == opInterface }
