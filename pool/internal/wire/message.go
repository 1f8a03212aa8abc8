package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"example.com/handoff/shm"
)

var le = binary.LittleEndian

// The kinds of messages, in their first byte. Version changes with what they mean.
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

	Version = 7
)

const (
	magic = 0x464f4448 // "HDOF"

	// MaxMessage is the size of the largest message, a full free.
	MaxMessage = 16 + MaxInline + 4
)

// A Hello is a worker's first message.
type Hello struct {
	Version, PID           uint32
	Build, Registry, Nonce [16]byte
}

func (h Hello) Append(b []byte) []byte {
	b = le.AppendUint32(b, MsgHello)
	b = le.AppendUint32(b, magic)
	b = le.AppendUint32(b, h.Version)
	b = le.AppendUint32(b, h.PID)
	b = append(b, h.Build[:]...)
	b = append(b, h.Registry[:]...)
	return append(b, h.Nonce[:]...)
}

// ReadHello reads a hello without comparing it: see [Hello.Check].
func ReadHello(b []byte) (h Hello, err error) {
	if len(b) != 64 || b[0] != MsgHello || le.Uint32(b[4:]) != magic {
		return h, fmt.Errorf("its first message is no hello (%d bytes beginning with %.16x)", len(b), b)
	}
	h.Version, h.PID = le.Uint32(b[8:]), le.Uint32(b[12:])
	copy(h.Build[:], b[16:])
	copy(h.Registry[:], b[32:])
	copy(h.Nonce[:], b[48:])
	return h, nil
}

// Check returns an error that says in what h differs from what was expected, whatever
// process it came from.
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

// A SegmentUse says what a worker does with a segment, and so how it maps it.
type SegmentUse byte

const (
	UseInput  SegmentUse = 0 // read-only
	UseOutput SegmentUse = 1 // writable
	UseResult SegmentUse = 2 // writable, for the worker's own arena: the answer to a grow
)

// An Announce gives a segment the number that Refs name it by.
type Announce struct {
	ID   uint32
	Use  SegmentUse
	Size int64
	Name string
}

func (a Announce) Append(b []byte) []byte {
	b = append(b, MsgAnnounce, byte(a.Use), 0, 0)
	b = le.AppendUint32(b, a.ID)
	b = le.AppendUint64(b, uint64(a.Size))
	return append(b, a.Name...)
}

func ReadAnnounce(b []byte) (a Announce, ok bool) {
	if len(b) <= 16 || SegmentUse(b[1]) > UseResult {
		return a, false
	}
	return Announce{ID: le.Uint32(b[4:]), Use: SegmentUse(b[1]), Size: int64(le.Uint64(b[8:])), Name: string(b[16:])}, true
}

func AppendCancel(b []byte, id TaskID) []byte {
	return appendID(append(b, MsgCancel, 0, 0, 0, 0, 0, 0, 0), id)
}

func ReadCancel(b []byte) (id TaskID, ok bool) {
	if len(b) != 16 {
		return id, false
	}
	return readID(b[8:]), true
}

func AppendRetire(b []byte, segment uint32) []byte  { return appendSegment(b, MsgRetire, segment) }
func ReadRetire(b []byte) (segment uint32, ok bool) { return readSegment(b) }
func AppendShrink(b []byte, segment uint32) []byte  { return appendSegment(b, MsgShrink, segment) }
func ReadShrink(b []byte) (segment uint32, ok bool) { return readSegment(b) }

func appendSegment(b []byte, kind byte, segment uint32) []byte {
	return le.AppendUint32(append(b, kind, 0, 0, 0), segment)
}

func readSegment(b []byte) (segment uint32, ok bool) {
	if len(b) != 8 {
		return 0, false
	}
	return le.Uint32(b[4:]), true
}

func AppendGrow(b []byte, bytes int64) []byte {
	b = append(b, MsgGrow, 0, 0, 0, 0, 0, 0, 0)
	return le.AppendUint64(b, uint64(bytes))
}

func ReadGrow(b []byte) (bytes int64, ok bool) {
	if len(b) != 16 {
		return 0, false
	}
	bytes = int64(le.Uint64(b[8:]))
	return bytes, bytes > 0
}

// refusals are the errors that a worker can tell apart, by their numbers.
var refusals = []error{nil, shm.ErrFull, shm.ErrTooLarge}

// AppendRefuse appends why an arena doesn't grow: the text of the error, and which of
// shm's errors it wraps.
func AppendRefuse(b []byte, why error) []byte {
	number := len(refusals) - 1 // the last that fits says most
	for number > 0 && !errors.Is(why, refusals[number]) {
		number--
	}
	text := why.Error()
	return append(append(b, MsgRefuse, byte(number), 0, 0), text[:min(len(text), MaxInline)]...)
}

// ReadRefuse reads an error with the same text, which wraps the same of shm's errors.
func ReadRefuse(b []byte) (why error, ok bool) {
	if len(b) < 4 || int(b[1]) >= len(refusals) {
		return nil, false
	}
	return &refusal{strings.ToValidUTF8(string(b[4:]), "\uFFFD"), refusals[b[1]]}, true
}

type refusal struct {
	text string
	is   error // one of refusals
}

func (e *refusal) Error() string { return e.text }
func (e *refusal) Unwrap() error { return e.is }

// An Allocation names the block that a worker has pinned for one OwnedView of a result.
type Allocation struct {
	Segment, Generation uint32
	Offset              int64
}

const allocationBytes = 16

// MaxFrees bounds the allocations of one free message.
const MaxFrees = (MaxMessage - 8) / allocationBytes

func AppendFree(b []byte, freed []Allocation) []byte {
	b = append(b, MsgFree, 0, 0, 0, 0, 0, 0, 0)
	for _, f := range freed {
		b = le.AppendUint32(b, f.Segment)
		b = le.AppendUint32(b, f.Generation)
		b = le.AppendUint64(b, uint64(f.Offset))
	}
	return b
}

func ReadFree(b []byte) (freed []Allocation, ok bool) {
	if len(b) < 8 || len(b)%allocationBytes != 8 {
		return nil, false
	}
	for b = b[8:]; len(b) > 0; b = b[allocationBytes:] {
		freed = append(freed, Allocation{Segment: le.Uint32(b), Generation: le.Uint32(b[4:]), Offset: int64(le.Uint64(b[8:]))})
	}
	return freed, true
}
