package files

import (
	"cmp"
	"encoding/binary"
	"io"
	"slices"

	"example.com/handoff/arrowipc"
)

// arrowFile is the record batches that the footer of an Arrow file lists.
type arrowFile struct {
	in     *input
	layout *layout
	footer int64   // where it starts
	blocks []block // the record batches
	at     int     // the next of them
}

// A block is the bytes of one message that the footer lists.
type block struct{ off, end int64 }

// openArrowFile reads the footer of a file. It is the table at its end:
// 0 version, 1 schema, 2 dictionaries, 3 record batches.
func openArrowFile(in *input, alloc *arrowipc.Allocator, o *Options) (*arrowSource, error) {
	end := make([]byte, tail)
	if err := in.read(end, in.size-tail); err != nil {
		return nil, corruptf("truncated: no Arrow footer")
	}
	if !slices.Equal(end[4:], magic) {
		return nil, corruptf("truncated: the Arrow file ends with %s, expected %s", show(end[4:]), show(magic))
	}
	length := int64(binary.LittleEndian.Uint32(end))
	f := &arrowFile{in: in, footer: in.size - tail - length}
	if length > maxMetadata || f.footer < headBytes {
		return nil, corruptf("Arrow footer of %d bytes in a file of %d", length, in.size)
	}
	fb := &flatbuf{buf: make([]byte, length)}
	if err := in.read(fb.buf, f.footer); err != nil {
		return nil, err
	}
	t := fb.root()
	schema, has := t.table(1)
	if fb.bad || !has {
		return nil, corruptf("Arrow footer: no schema, or an offset points outside of it")
	}
	if err := f.list(t); err != nil {
		return nil, err
	}
	version, err := f.version(t)
	if err == nil {
		f.layout, err = parseSchema(schema, version)
	}
	if err == nil {
		err = f.layout.choose(o.Columns)
	}
	if err != nil {
		return nil, err
	}
	return &arrowSource{in: in, alloc: alloc, opts: o, layout: f.layout, batches: f}, nil
}

// version is that of the metadata. Footers of Arrow 0.14 and older leave it out; the
// messages have it too.
func (f *arrowFile) version(footer fbTable) (int16, error) {
	if footer.at(0) != 0 {
		return footer.i16(0), nil
	}
	if len(f.blocks) == 0 { // nothing depends on it
		return version5, nil
	}
	m, err := readMessage(f.in, f.blocks[0].off, f.blocks[0].end)
	if err != nil {
		return 0, err
	}
	return m.version, nil
}

// list takes in what the footer lists: for each message its place (int64), the
// length of its metadata (int32, padded to 8 bytes) and that of its body (int64).
func (f *arrowFile) list(footer fbTable) error {
	dictionaries, err := f.vector(footer.vector(2, blockBytes))
	if err != nil {
		return err
	}
	if f.blocks, err = f.vector(footer.vector(3, blockBytes)); err != nil {
		return err
	}
	if footer.f.bad {
		return corruptf("Arrow footer: an offset points outside of it")
	}
	return f.cover(slices.Concat(dictionaries, f.blocks))
}

func (f *arrowFile) vector(v fbVector) (blocks []block, err error) {
	for i := range v.n {
		at := v.pos + blockBytes*i
		off, meta, body := v.f.i64(at), int64(int32(v.f.u32(at+8))), v.f.i64(at+16)
		if off < headBytes || meta < 0 || body < 0 || off > f.footer || meta > f.footer-off || body > f.footer-off-meta {
			return nil, corruptf("Arrow footer: a message of %d and %d bytes at byte %d, expected it before the footer at %d", meta, body, off, f.footer)
		}
		blocks = append(blocks, block{off, off + meta + body})
	}
	return blocks, nil
}

// cover checks that the blocks are the whole file, apart from a schema at its
// beginning. Else rows that no footer lists would be missing without an error, as where
// two files were put together and only the second footer counts.
func (f *arrowFile) cover(all []block) error {
	from := int64(headBytes)
	if m, err := readMessage(f.in, from, f.footer); err == nil && m.kind == headerSchema {
		from = m.end
	}
	slices.SortFunc(all, func(a, b block) int { return cmp.Compare(a.off, b.off) })
	for _, b := range append(all, block{f.footer, f.footer}) {
		if b.off < from {
			return corruptf("Arrow footer: messages overlap at byte %d", b.off)
		}
		if b.off-from > mostPadding {
			return corruptf("bytes %d to %d belong to nothing that the Arrow footer lists; were several files put together?", from, b.off)
		}
		from = b.end
	}
	return nil
}

const (
	headBytes = 8 // the magic and its padding
	// mostPadding is what may lie between two messages, or an end mark, and is less
	// than any message.
	mostPadding = 64
)

func (f *arrowFile) next() (*message, *layout, error) {
	if f.at == len(f.blocks) {
		return nil, nil, io.EOF
	}
	b := f.blocks[f.at]
	f.at++
	m, err := readMessage(f.in, b.off, b.end)
	if err != nil {
		return nil, nil, err
	}
	if m.kind != headerBatch {
		return nil, nil, corruptf("no record batch at byte %d", b.off)
	}
	return m, f.layout, nil
}
