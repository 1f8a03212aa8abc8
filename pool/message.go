package pool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"example.com/handoff/shm"
)

// The messages between supervisor and worker over their socket. Every one is a
// packet: kind in byte 0, fixed little-endian fields, then what its length leaves.
// Nothing in them is trusted: lengths come from the kernel, numbers are checked
// where used. Tasks and results are records in the rings of a lane: see record.go.
//
//	hello    w→s  0 kind · 4 magic · 8 version · 12 pid · 16 build[16] · 32 registry[16] · 48 nonce[16]
//	announce s→w  0 kind · 1 use · 4 id · 8 size · 16 name…
//	retire   s→w  0 kind · 4 id
//	cancel   s→w  0 kind · 8 index · 12 epoch
//	drain    s→w  0 kind
//	grow     w→s  0 kind · 8 bytes
//	refuse   s→w  0 kind · 1 why · 4 text…
//	shrink   w→s  0 kind · 4 id
//	trim     s→w  0 kind
//	free     s→w  0 kind · 8 { 0 id · 4 generation · 8 offset }…
//
// An announce brings a descriptor if the segment has no file; no other message
// does. It may come after a task that needs it. A grow is answered by an
// announcement for results or by a refuse. The refs in a
// result and the blocks in a free are of segments announced to that worker for
// results. A shrink says that the worker has unmapped one of these.
const (
	msgHello    = 1
	msgAnnounce = 2
	msgRetire   = 3
	msgCancel   = 6
	msgDrain    = 7
	msgGrow     = 8
	msgRefuse   = 9
	msgFree     = 10
	msgShrink   = 11
	msgTrim     = 12
)

const (
	magic           = 0x464f4448 // "HDOF"
	protocolVersion = 5
	maxMessage      = 16 + maxInline + 4 // the largest of them, a full free
)

type hello struct {
	version, pid           uint32
	build, registry, nonce [16]byte
}

func (h hello) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, msgHello)
	b = binary.LittleEndian.AppendUint32(b, magic)
	b = binary.LittleEndian.AppendUint32(b, h.version)
	b = binary.LittleEndian.AppendUint32(b, h.pid)
	b = append(b, h.build[:]...)
	b = append(b, h.registry[:]...)
	return append(b, h.nonce[:]...)
}

// readHello reads a worker's first message; check says what does not match.
func readHello(b []byte) (h hello, err error) {
	if len(b) != 64 || b[0] != msgHello || binary.LittleEndian.Uint32(b[4:]) != magic {
		return h, fmt.Errorf("its first message is no hello (%d bytes beginning with %.16x)", len(b), b)
	}
	h.version, h.pid = binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
	copy(h.build[:], b[16:])
	copy(h.registry[:], b[32:])
	copy(h.nonce[:], b[48:])
	return h, nil
}

func (h hello) check(want hello) error {
	switch {
	case h.version != want.version:
		return fmt.Errorf("it speaks protocol version %d, expected %d", h.version, want.version)
	case h.nonce != want.nonce:
		return fmt.Errorf("its nonce is not the one it was given")
	case h.build != want.build:
		return fmt.Errorf("it is build %x, expected %x: was the program replaced while it ran?", h.build[:4], want.build[:4])
	case h.registry != want.registry:
		return fmt.Errorf("its registered functions differ: register them in package-level variables")
	}
	return nil
}

// A segmentUse says what a worker does with a segment, and so how it maps it.
type segmentUse byte

const (
	useInput  segmentUse = 0 // read-only
	useOutput segmentUse = 1 // writable
	useResult segmentUse = 2 // writable, for the worker's own arena: the answer to a grow
)

type announce struct {
	id   uint32
	use  segmentUse
	size int64
	name string
}

func (a announce) append(b []byte) []byte {
	b = append(b, msgAnnounce, byte(a.use), 0, 0)
	b = binary.LittleEndian.AppendUint32(b, a.id)
	b = binary.LittleEndian.AppendUint64(b, uint64(a.size))
	return append(b, a.name...)
}

func readAnnounce(b []byte) (a announce, ok bool) {
	if len(b) <= 16 || segmentUse(b[1]) > useResult {
		return a, false
	}
	return announce{
		id:   binary.LittleEndian.Uint32(b[4:]),
		use:  segmentUse(b[1]),
		size: int64(binary.LittleEndian.Uint64(b[8:])),
		name: string(b[16:]),
	}, true
}

func appendCancel(b []byte, id taskID) []byte {
	return appendID(append(b, msgCancel, 0, 0, 0, 0, 0, 0, 0), id)
}

// readCancel reads a cancel message of 16 bytes.
func readCancel(b []byte) taskID { return readID(b[8:]) }

func appendRetire(b []byte, id uint32) []byte {
	b = append(b, msgRetire, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(b, id)
}

// readRetire reads a retire message of 8 bytes.
func readRetire(b []byte) (id uint32) { return binary.LittleEndian.Uint32(b[4:]) }

func appendGrow(b []byte, bytes int64) []byte {
	b = append(b, msgGrow, 0, 0, 0, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint64(b, uint64(bytes))
}

func readGrow(b []byte) (bytes int64, ok bool) {
	if len(b) != 16 {
		return 0, false
	}
	bytes = int64(binary.LittleEndian.Uint64(b[8:]))
	return bytes, bytes > 0
}

// refusals are the errors that a worker can tell apart, by their numbers.
var refusals = []error{nil, shm.ErrFull, shm.ErrTooLarge}

// appendRefuse says why an arena does not grow.
func appendRefuse(b []byte, why error) []byte {
	number := len(refusals) - 1 // the last that fits says most
	for number > 0 && !errors.Is(why, refusals[number]) {
		number--
	}
	text := why.Error()
	return append(append(b, msgRefuse, byte(number), 0, 0), text[:min(len(text), maxInline)]...)
}

func readRefuse(b []byte) (why error, ok bool) {
	if len(b) < 4 || int(b[1]) >= len(refusals) {
		return nil, false
	}
	return &growthError{strings.ToValidUTF8(string(b[4:]), "\uFFFD"), refusals[b[1]]}, true
}

// A growthError is the supervisor's refusal in the worker.
type growthError struct {
	text string
	is   error // one of refusals
}

func (e *growthError) Error() string { return e.text }

func (e *growthError) Unwrap() error { return e.is }

func appendShrink(b []byte, id uint32) []byte {
	return binary.LittleEndian.AppendUint32(append(b, msgShrink, 0, 0, 0), id)
}

func readShrink(b []byte) (id uint32, ok bool) {
	if len(b) != 8 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(b[4:]), true
}

// A block is what a worker pinned for one View of a result.
type block struct {
	id, generation uint32
	offset         int64
}

// maxFrees is how many blocks fit into a free.
const maxFrees = (maxMessage - 8) / 16

func appendFree(b []byte, blocks []block) []byte {
	b = append(b, msgFree, 0, 0, 0, 0, 0, 0, 0)
	for _, f := range blocks {
		b = binary.LittleEndian.AppendUint32(b, f.id)
		b = binary.LittleEndian.AppendUint32(b, f.generation)
		b = binary.LittleEndian.AppendUint64(b, uint64(f.offset))
	}
	return b
}

func readFree(b []byte) (blocks []block, ok bool) {
	if len(b) < 8 || len(b)%16 != 8 {
		return nil, false
	}
	for b = b[8:]; len(b) > 0; b = b[16:] {
		blocks = append(blocks, block{
			id:         binary.LittleEndian.Uint32(b),
			generation: binary.LittleEndian.Uint32(b[4:]),
			offset:     int64(binary.LittleEndian.Uint64(b[8:])),
		})
	}
	return blocks, true
}
