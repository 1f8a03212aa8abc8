package files

import "encoding/binary"

// Arrow's metadata is flatbuffers: tables that point to one another by offsets.
// The reader below trusts none of them. It checks each access against the
// buffer and remembers the first that failed; what it returns then is zero, so
// that a parser needs to ask only once, at its end.
//
//	table at p:   int32  p - vtable
//	              fields at the offsets that the vtable gives, from p
//	vtable:       uint16 size of the vtable, uint16 size of the table,
//	              uint16 offset of each field, 0 where it has its default
//	vector:       uint32 length, elements; a string is a vector of bytes
//
// References are relative to where they stand and point forward (uint32), except
// that of a table to its vtable.
type flatbuf struct {
	buf []byte
	bad bool // something pointed outside of buf
}

type fbTable struct {
	f           *flatbuf
	pos         int // 0: no table, all fields have their defaults
	vtab, vsize int
}

type fbVector struct {
	f      *flatbuf
	pos, n int // first element; 0 elements where it is missing
}

// within reports whether n bytes at off lie in the buffer.
func (f *flatbuf) within(off, n int) bool {
	if off < 0 || n < 0 || off > len(f.buf) || n > len(f.buf)-off {
		f.bad = true
		return false
	}
	return true
}

func (f *flatbuf) u8(off int) uint8 {
	if !f.within(off, 1) {
		return 0
	}
	return f.buf[off]
}

func (f *flatbuf) u16(off int) uint16 {
	if !f.within(off, 2) {
		return 0
	}
	return binary.LittleEndian.Uint16(f.buf[off:])
}

func (f *flatbuf) u32(off int) uint32 {
	if !f.within(off, 4) {
		return 0
	}
	return binary.LittleEndian.Uint32(f.buf[off:])
}

func (f *flatbuf) i64(off int) int64 {
	if !f.within(off, 8) {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(f.buf[off:]))
}

// follow returns the target of the reference at off; 0 if that is outside.
func (f *flatbuf) follow(off int) int {
	by := int64(f.u32(off))
	if by == 0 || by >= int64(len(f.buf)-off) {
		f.bad = true
		return 0
	}
	return off + int(by)
}

// root is the table that the buffer begins by pointing to.
func (f *flatbuf) root() fbTable { return f.tableAt(f.follow(0)) }

func (f *flatbuf) tableAt(pos int) fbTable {
	if pos == 0 {
		return fbTable{f: f}
	}
	vtab := int64(pos) - int64(int32(f.u32(pos)))
	if vtab < 0 || vtab > int64(len(f.buf)) {
		f.bad = true
		return fbTable{f: f}
	}
	t := fbTable{f, pos, int(vtab), int(f.u16(int(vtab)))}
	if t.vsize < 4 || !f.within(t.vtab, t.vsize) {
		f.bad = true
		return fbTable{f: f}
	}
	return t
}

// at returns the position of field i of the table; 0 if it has its default.
func (t fbTable) at(i int) int {
	if slot := 4 + 2*i; t.pos != 0 && slot+2 <= t.vsize {
		if off := int(t.f.u16(t.vtab + slot)); off != 0 {
			return t.pos + off
		}
	}
	return 0
}

func (t fbTable) u8(i int) uint8 {
	if p := t.at(i); p != 0 {
		return t.f.u8(p)
	}
	return 0
}

func (t fbTable) i16(i int) int16 {
	if p := t.at(i); p != 0 {
		return int16(t.f.u16(p))
	}
	return 0
}

func (t fbTable) i32(i int) int32 {
	if p := t.at(i); p != 0 {
		return int32(t.f.u32(p))
	}
	return 0
}

func (t fbTable) i64(i int) int64 {
	if p := t.at(i); p != 0 {
		return t.f.i64(p)
	}
	return 0
}

// table is the table that field i refers to; has says whether there is one.
func (t fbTable) table(i int) (sub fbTable, has bool) {
	p := t.at(i)
	if p == 0 {
		return fbTable{f: t.f}, false
	}
	sub = t.f.tableAt(t.f.follow(p))
	return sub, sub.pos != 0
}

// vector is field i as a vector of items of itemBytes each, all in the buffer.
func (t fbTable) vector(i, itemBytes int) fbVector {
	p := t.at(i)
	if p == 0 {
		return fbVector{f: t.f}
	}
	p = t.f.follow(p)
	if p == 0 {
		return fbVector{f: t.f}
	}
	n := int64(t.f.u32(p))
	if n*int64(itemBytes) > int64(len(t.f.buf)-p-4) {
		t.f.bad = true
		return fbVector{f: t.f}
	}
	return fbVector{t.f, p + 4, int(n)}
}

// bytes is field i as a string, in place.
func (t fbTable) bytes(i int) []byte {
	v := t.vector(i, 1)
	return t.f.buf[v.pos : v.pos+v.n]
}

// table is element i of a vector of tables.
func (v fbVector) table(i int) fbTable { return v.f.tableAt(v.f.follow(v.pos + 4*i)) }
