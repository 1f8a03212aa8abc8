package journal

import (
	"crypto/rand"
	"encoding/binary"
	"hash/crc32"
)

// MaxRecord is the largest header or record, in bytes.
const MaxRecord = 16 << 20

const (
	version     = 1
	prefixBytes = 32
	frameBytes  = 32 // the head of a frame, and a whole seal
	frameAlign  = 8

	flagMade = 1
)

const magic = "HANDOFFJ"

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	kindHeader = 1 + iota
	kindRecord
	kindSeal
)

// A prefix is the beginning of the file.
type prefix struct {
	version uint32
	flags   uint32
	id      [12]byte
}

func newPrefix(flags uint32) prefix {
	p := prefix{version: version, flags: flags}
	rand.Read(p.id[:]) // never fails
	return p
}

func (p prefix) append(b []byte) []byte {
	start := len(b)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint32(b, p.version)
	b = binary.LittleEndian.AppendUint32(b, p.flags)
	b = append(b, p.id[:]...)
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b[start+8:], castagnoli))
}

// parsePrefix takes 32 bytes. Whole says that the CRC is right, named that the magic is.
func parsePrefix(b []byte) (p prefix, named, whole bool) {
	p.version = binary.LittleEndian.Uint32(b[8:])
	p.flags = binary.LittleEndian.Uint32(b[12:])
	copy(p.id[:], b[16:28])
	return p, string(b[:8]) == magic, crc32.Checksum(b[8:28], castagnoli) == binary.LittleEndian.Uint32(b[28:])
}

// A frame is the head of one.
type frame struct {
	length uint32 // of the payload
	kind   uint32
	number uint64
	base   uint64

	head, body uint32 // the sums
}

// padded is the length of the payload in the file.
func (f frame) padded() int64 {
	return (int64(f.length) + frameAlign - 1) &^ (frameAlign - 1)
}

// headSum is the CRC of the first 24 bytes of a frame at an offset.
func (p prefix) headSum(at int64, head []byte) uint32 {
	var place [20]byte
	copy(place[:], p.id[:])
	binary.LittleEndian.PutUint64(place[12:], uint64(at))
	return crc32.Update(crc32.Checksum(place[:], castagnoli), castagnoli, head[:24])
}

// appendFrame appends a whole frame that will lie at an offset of the file.
func (p prefix) appendFrame(b []byte, at int64, kind uint32, number uint64, base int64, payload []byte) []byte {
	start := len(b)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, kind)
	b = binary.LittleEndian.AppendUint64(b, number)
	b = binary.LittleEndian.AppendUint64(b, uint64(base))
	head := p.headSum(at, b[start:])
	b = binary.LittleEndian.AppendUint32(b, head)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = append(b, payload...)
	for (len(b)-start)%frameAlign != 0 {
		b = append(b, 0)
	}
	binary.LittleEndian.PutUint32(b[start+28:], crc32.Update(head, castagnoli, b[start+frameBytes:]))
	return b
}

// parseFrame takes 32 bytes that lie at an offset. It reports whether they are the
// head of a frame that was written there; the payload is not looked at.
func (p prefix) parseFrame(b []byte, at int64) (f frame, ok bool) {
	f = frame{
		length: binary.LittleEndian.Uint32(b),
		kind:   binary.LittleEndian.Uint32(b[4:]),
		number: binary.LittleEndian.Uint64(b[8:]),
		base:   binary.LittleEndian.Uint64(b[16:]),
		head:   binary.LittleEndian.Uint32(b[24:]),
		body:   binary.LittleEndian.Uint32(b[28:]),
	}
	if f.kind < kindHeader || f.kind > kindSeal || f.length > MaxRecord || f.base > uint64(at) {
		return f, false
	}
	return f, f.head == p.headSum(at, b)
}

// bodyOK checks the payload with its padding.
func (f frame) bodyOK(padded []byte) bool {
	return f.body == crc32.Update(f.head, castagnoli, padded)
}
