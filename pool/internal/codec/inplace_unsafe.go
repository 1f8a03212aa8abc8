package codec

import (
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
	"unsafe"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A Made is what was made of a Block, once for all values that are read from it.
type Made struct {
	copyStrings bool // who writes the block may go on, and Go takes strings for constant
	mapsAgain   bool // values lie in a mapping of the Block that is of this Made alone
	held        *Held
	mu          sync.Mutex
	memo        atomic.Pointer[memo] // stored with mu held, once

	// Of the Cache, and guarded by its mu.
	mark    mark
	marked  uint64 // the Block, when this was made
	users   int    // in the running task
	usedAt  uint64 // the number of the last task that did
	gone    bool   // from the Cache
	counted int64  // in the Cache's bytes
}

// A memo is what decoding in place has made at each op that is marked once, in order.
type memo struct {
	parts []part
	spine spine
	pages []byte         // a mapping of the block, if it has one of its own
	block []byte         // in pages
	whole unsafe.Pointer // a value that can be copied; nil: it is decoded each time
}

// memory is what values lead to, outside of the memory that the block was bound to.
func (m *memo) memory() [][]byte {
	if m.pages == nil {
		return m.spine.chunks
	}
	return append([][]byte{m.pages}, m.spine.chunks...)
}

// free ends it, and returns what it has poisoned: there, every access is a fault.
func (m *memo) free() (poisoned [][]byte) {
	if Poisons {
		poisoned = m.memory()
	}
	if m.pages != nil {
		unmap(m.pages, Poisons)
	}
	m.spine.free(Poisons)
	m.pages, m.block = nil, nil
	return poisoned
}

// A part is one of these: the encoding goes on at end.
type part struct {
	o        *op
	pos, end int
	value    slice // or the pointer alone
}

// Read makes *v the value of a Block: pointer-free slices and strings of it are the Block's
// memory, which is dead with it.
func Read[T any](b *Block, v *T) error {
	if b.made == nil || b.Len() == 0 {
		return nil
	}
	mem, err := afterHeader(b.Bytes())
	if err != nil {
		return err
	}
	if m := b.made.memo.Load(); m != nil && m.whole != nil {
		*v = *(*T)(m.whole)
		return nil
	}
	return b.made.read(b.plan, mem, unsafe.Pointer(v))
}

func (m *Made) read(p *Plan, b []byte, at unsafe.Pointer) error {
	memo := m.memo.Load()
	if memo == nil {
		if err := m.make(p, b); err != nil {
			return err
		}
		memo = m.memo.Load()
	}
	if memo.block != nil {
		b = memo.block
	}
	return p.decodeInPlace(b, at, inPlace{copyStrings: m.copyStrings, memo: memo, replays: true})
}

// make decodes b as a whole, once.
func (m *Made) make(p *Plan, b []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.memo.Load() != nil {
		return nil
	}
	made := &memo{spine: spine{held: m.held}}
	if m.mapsAgain && len(b) > 0 {
		var err error
		if made.pages, made.block, err = mapAgain(b); err != nil {
			return fmt.Errorf("pool: map a shared value again: %w", err)
		}
		b = made.block
	}
	value := reflect.New(p.typ).UnsafePointer()
	err := p.decodeInPlace(b, value, inPlace{copyStrings: m.copyStrings, memo: made})
	if err == nil {
		err = made.spine.seal()
	}
	if err != nil {
		made.free()
		return err
	}
	if p.whole {
		made.whole = value
	}
	m.memo.Store(made)
	return nil
}

// free ends it, and returns what it has poisoned.
func (m *Made) free() (poisoned [][]byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if made := m.memo.Swap(nil); made != nil {
		return made.free()
	}
	return nil
}

func (m *Made) bytes() int64 {
	if made := m.memo.Load(); made != nil {
		return made.spine.bytes
	}
	return 0
}

func (p *Plan) decodeInPlace(b []byte, at unsafe.Pointer, in inPlace) error {
	if uintptr(unsafe.Pointer(unsafe.SliceData(b)))%alignWide != 0 {
		return fmt.Errorf("%w: a block at an address that is no multiple of %d", wire.ErrMalformed, alignWide)
	}
	return p.decodeWith(b, at, nil, in)
}

// An inPlace is how a decoder makes values that lead to the bytes that it decodes.
type inPlace struct {
	copyStrings bool
	replays     bool // memo is complete
	next        int  // of it
	depth       int  // how many ops that are marked once it is in
	memo        *memo
}

// once decodes an op that is marked so.
func (d *decoder) once(o *op, at unsafe.Pointer) error {
	in := d.in
	if in.depth > 0 {
		return d.only(o, at)
	}
	words := unsafe.Slice((*unsafe.Pointer)(at), o.typ.Size()/unsafe.Sizeof(at))
	if in.replays {
		if in.next >= len(in.memo.parts) {
			return wire.ErrMalformed
		}
		p := &in.memo.parts[in.next]
		if p.o != o || p.pos != d.pos { // the block has changed
			return wire.ErrMalformed
		}
		in.next++
		if o.kind == opPointer {
			words[0] = p.value.data
		} else {
			*(*slice)(at) = p.value
		}
		d.pos = p.end
		return nil
	}
	p := part{o: o, pos: d.pos}
	in.depth++
	err := d.only(o, at)
	in.depth--
	if err != nil {
		return err
	}
	if p.end = d.pos; o.kind == opPointer {
		p.value.data = words[0]
	} else {
		p.value = *(*slice)(at)
	}
	in.memo.parts = append(in.memo.parts, p)
	return nil
}

// only decodes an op of the kinds that are marked.
func (d *decoder) only(o *op, at unsafe.Pointer) error {
	switch o.kind {
	case opSliceMem:
		return d.sliceMemory(o, (*slice)(at))
	case opStrings:
		return d.strings(o, (*[]string)(at))
	case opSlice:
		return d.slice(o, (*slice)(at))
	}
	return d.pointer(o, (*unsafe.Pointer)(at))
}

// blockAt is the array of a shared value.
func blockAt(value unsafe.Pointer) shm.Binder { return (*Block)(value) }

// unbound is the array at a zero value, to be bound.
func (o *op) unbound(at unsafe.Pointer) shm.Binder {
	if o.shared != nil {
		(*Block)(at).plan = o.shared
	}
	return o.array(at)
}

// newElements is memory for n elements of a type, all zero.
func (d *decoder) newElements(o *op, n int) (unsafe.Pointer, error) {
	if d.in == nil || d.in.depth == 0 {
		if o.kind == opPointer {
			return reflect.New(o.elem.typ).UnsafePointer(), nil
		}
		return reflect.MakeSlice(o.typ, n, n).UnsafePointer(), nil
	}
	if n == 0 || o.elem.typ.Size() == 0 {
		return unsafe.Pointer(&zeroSized), nil
	}
	mem, err := d.in.memo.spine.take(n * int(o.elem.typ.Size()))
	return unsafe.Pointer(unsafe.SliceData(mem)), err
}

// newString is b as a string.
func (d *decoder) newString(b []byte) (string, error) {
	switch {
	case d.in == nil || d.in.copyStrings && d.in.depth == 0:
		return d.string(b), nil
	case d.in.copyStrings && len(b) > 0:
		mem, err := d.in.memo.spine.take(len(b))
		if err != nil {
			return "", err
		}
		copy(mem, b)
		b = mem
	}
	return unsafe.String(unsafe.SliceData(b), len(b)), nil
}

// newMemory is b, or a copy, as the n elements without pointers of a slice.
func (d *decoder) newMemory(o *op, b []byte, n int) (unsafe.Pointer, error) {
	if d.in == nil {
		// append does not clear what it copies to, and aligns it as a multiple of o.size.
		b = append([]byte(nil), b...)
		if o.elem.bools && !boolsIn(o.elem, unsafe.Pointer(&b[0]), o.size, n) {
			return nil, wire.ErrMalformed
		}
		return unsafe.Pointer(&b[0]), nil
	}
	if o.elem.bools && !d.in.replays && !isBools(o.elem, unsafe.Pointer(&b[0]), o.size, n) {
		return nil, wire.ErrMalformed
	}
	return unsafe.Pointer(&b[0]), nil
}

// isBools looks at the bools of n elements without pointers, as boolsIn, and changes nothing.
func isBools(of *node, at unsafe.Pointer, size uintptr, n int) bool {
	for i := range of.ops {
		o := &of.ops[i]
		for k := range n {
			field := unsafe.Add(at, uintptr(k)*size+o.off)
			switch {
			case o.kind == opBools && !allBools(unsafe.Slice((*byte)(field), o.size)),
				o.kind == opLoop && o.elem.bools && !isBools(o.elem, field, o.size, o.n):
				return false
			}
		}
	}
	return true
}

func allBools(b []byte) bool {
	var or byte
	for _, c := range b {
		or |= c
	}
	return or <= 1
}
