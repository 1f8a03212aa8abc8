package wire

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
	MsgHello    = 1
	MsgAnnounce = 2
	MsgRetire   = 3
	MsgCancel   = 6
	MsgDrain    = 7
	MsgGrow     = 8
	MsgRefuse   = 9
	MsgFree     = 10
	MsgShrink   = 11
	MsgTrim     = 12
)

const (
	magic      = 0x464f4448 // "HDOF"
	Version    = 5
	MaxMessage = 16 + MaxInline + 4 // the largest of them, a full free
)

type Hello struct {
	Version, PID           uint32
	Build, Registry, Nonce [16]byte
}

func (h Hello) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, MsgHello)
	b = binary.LittleEndian.AppendUint32(b, magic)
	b = binary.LittleEndian.AppendUint32(b, h.Version)
	b = binary.LittleEndian.AppendUint32(b, h.PID)
	b = append(b, h.Build[:]...)
	b = append(b, h.Registry[:]...)
	return append(b, h.Nonce[:]...)
}

// ReadHello reads a worker's first message; check says what does not match.
func ReadHello(b []byte) (h Hello, err error) {
	if len(b) != 64 || b[0] != MsgHello || binary.LittleEndian.Uint32(b[4:]) != magic {
		return h, fmt.Errorf("its first message is no hello (%d bytes beginning with %.16x)", len(b), b)
	}
	h.Version, h.PID = binary.LittleEndian.Uint32(b[8:]), binary.LittleEndian.Uint32(b[12:])
	copy(h.Build[:], b[16:])
	copy(h.Registry[:], b[32:])
	copy(h.Nonce[:], b[48:])
	return h, nil
}

func (h Hello) Check(want Hello) error {
	switch {
	case h.Version != want.Version:
		return fmt.Errorf("it speaks protocol version %d, expected %d", h.Version, want.Version)
	case h.Nonce != want.Nonce:
		return fmt.Errorf("its nonce is not the one it was given")
	case h.Build != want.Build:
		return fmt.Errorf("it is build %x, expected %x: was the program replaced while it ran?", h.Build[:4], want.Build[:4])
	case h.Registry != want.Registry:
		return fmt.Errorf("its registered functions differ: register them in package-level variables")
	}
	return nil
}

// A segmentUse says what a worker does with a segment, and so how it maps it.
type SegmentUse byte

const (
	UseInput  SegmentUse = 0 // read-only
	UseOutput SegmentUse = 1 // writable
	UseResult SegmentUse = 2 // writable, for the worker's own arena: the answer to a grow
)

type Announce struct {
	ID   uint32
	Use  SegmentUse
	Size int64
	Name string
}

func (a Announce) Append(b []byte) []byte {
	b = append(b, MsgAnnounce, byte(a.Use), 0, 0)
	b = binary.LittleEndian.AppendUint32(b, a.ID)
	b = binary.LittleEndian.AppendUint64(b, uint64(a.Size))
	return append(b, a.Name...)
}

func ReadAnnounce(b []byte) (a Announce, ok bool) {
	if len(b) <= 16 || SegmentUse(b[1]) > UseResult {
		return a, false
	}
	return Announce{
		ID:   binary.LittleEndian.Uint32(b[4:]),
		Use:  SegmentUse(b[1]),
		Size: int64(binary.LittleEndian.Uint64(b[8:])),
		Name: string(b[16:]),
	}, true
}

func AppendCancel(b []byte, id TaskID) []byte {
	return appendID(append(b, MsgCancel, 0, 0, 0, 0, 0, 0, 0), id)
}

// ReadCancel reads a cancel message of 16 bytes.
func ReadCancel(b []byte) TaskID { return readID(b[8:]) }

func AppendRetire(b []byte, id uint32) []byte {
	b = append(b, MsgRetire, 0, 0, 0)
	return binary.LittleEndian.AppendUint32(b, id)
}

// ReadRetire reads a retire message of 8 bytes.
func ReadRetire(b []byte) (id uint32) { return binary.LittleEndian.Uint32(b[4:]) }

func AppendGrow(b []byte, bytes int64) []byte {
	b = append(b, MsgGrow, 0, 0, 0, 0, 0, 0, 0)
	return binary.LittleEndian.AppendUint64(b, uint64(bytes))
}

func ReadGrow(b []byte) (bytes int64, ok bool) {
	if len(b) != 16 {
		return 0, false
	}
	bytes = int64(binary.LittleEndian.Uint64(b[8:]))
	return bytes, bytes > 0
}

// refusals are the errors that a worker can tell apart, by their numbers.
var refusals = []error{nil, shm.ErrFull, shm.ErrTooLarge}

// AppendRefuse says why an arena does not grow.
func AppendRefuse(b []byte, why error) []byte {
	number := len(refusals) - 1 // the last that fits says most
	for number > 0 && !errors.Is(why, refusals[number]) {
		number--
	}
	text := why.Error()
	return append(append(b, MsgRefuse, byte(number), 0, 0), text[:min(len(text), MaxInline)]...)
}

func ReadRefuse(b []byte) (why error, ok bool) {
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

func AppendShrink(b []byte, id uint32) []byte {
	return binary.LittleEndian.AppendUint32(append(b, MsgShrink, 0, 0, 0), id)
}

func ReadShrink(b []byte) (id uint32, ok bool) {
	if len(b) != 8 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(b[4:]), true
}

// A block is what a worker pinned for one View of a result.
type Allocation struct {
	Segment, Generation uint32
	Offset              int64
}

// MaxFrees is how many blocks fit into a free.
const MaxFrees = (MaxMessage - 8) / 16

func AppendFree(b []byte, blocks []Allocation) []byte {
	b = append(b, MsgFree, 0, 0, 0, 0, 0, 0, 0)
	for _, f := range blocks {
		b = binary.LittleEndian.AppendUint32(b, f.Segment)
		b = binary.LittleEndian.AppendUint32(b, f.Generation)
		b = binary.LittleEndian.AppendUint64(b, uint64(f.Offset))
	}
	return b
}

func ReadFree(b []byte) (blocks []Allocation, ok bool) {
	if len(b) < 8 || len(b)%16 != 8 {
		return nil, false
	}
	for b = b[8:]; len(b) > 0; b = b[16:] {
		blocks = append(blocks, Allocation{
			Segment:    binary.LittleEndian.Uint32(b),
			Generation: binary.LittleEndian.Uint32(b[4:]),
			Offset:     int64(binary.LittleEndian.Uint64(b[8:])),
		})
	}
	return blocks, true
}
