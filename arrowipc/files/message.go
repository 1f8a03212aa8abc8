package files

import (
	"bytes"
	"encoding/binary"
)

// A message of Arrow's IPC format: a length, metadata, a body.
//
//	int32 -1 (missing before Arrow 0.15), int32 length of the metadata with its padding
//	metadata: a Message table: 0 version, 1 kind of header, 2 header, 3 length of the body
//	body
//
// A length of 0 is the mark that ends a stream.
type message struct {
	version   int16
	kind      uint8
	header    fbTable
	body, end int64 // in the file
	endMark   bool  // nothing but end is set
}

const (
	continuation = 0xFFFFFFFF
	// maxMetadata bounds what is read into memory at once. It is less than any four
	// printable characters or blanks are as a length, so no text is taken for one.
	maxMetadata = 64 << 20
)

// readMessage reads the message at byte off without its body, which is known to
// lie before byte limit.
func readMessage(in *input, off, limit int64) (*message, error) {
	var word [4]byte
	if err := in.read(word[:], off); err != nil {
		return nil, err
	}
	off += 4
	length := binary.LittleEndian.Uint32(word[:])
	if length == continuation {
		if err := in.read(word[:], off); err != nil {
			return nil, err
		}
		off += 4
		length = binary.LittleEndian.Uint32(word[:])
	}
	if length == 0 {
		return &message{end: off, endMark: true}, nil
	}
	if length > maxMetadata {
		return nil, corruptf("message at byte %d: %d bytes of metadata, expected at most %d", off, length, maxMetadata)
	}
	if int64(length) > limit-off {
		return nil, corruptf("truncated: message at byte %d: %d bytes of metadata, %d left", off, length, limit-off)
	}
	f := &flatbuf{buf: make([]byte, length)}
	if err := in.read(f.buf, off); err != nil {
		return nil, err
	}
	t := f.root()
	m := &message{version: t.i16(0), kind: t.u8(1), body: off + int64(length)}
	m.header, _ = t.table(2)
	bodyLen := t.i64(3)
	if f.bad || m.header.pos == 0 {
		return nil, corruptf("message at byte %d: an offset points outside of the metadata", off)
	}
	if bodyLen < 0 || bodyLen > limit-m.body {
		return nil, corruptf("truncated: message at byte %d: a body of %d bytes, %d left", off, bodyLen, limit-m.body)
	}
	m.end = m.body + bodyLen
	return m, nil
}

var (
	magic = []byte("ARROW1") // a file begins with it and two zeros, and ends with it
	tail  = int64(len(magic) + 4)
)

// isArrowFile: a CSV file may begin with these letters too, but not with zeros.
func isArrowFile(head []byte, ext string) bool {
	return bytes.HasPrefix(head, magic) && (ext != ".csv" || bytes.HasPrefix(head, append(magic[:len(magic):len(magic)], 0, 0)))
}

// isArrowStream: a stream begins with -1, which no text does, or before Arrow
// 0.15 with the length of a schema message, which is then there to be read.
func isArrowStream(in *input, head []byte) bool {
	if len(head) < 4 {
		return false
	}
	if binary.LittleEndian.Uint32(head) == continuation {
		return true
	}
	m, err := readMessage(in, 0, in.size)
	return err == nil && m.kind == headerSchema
}
