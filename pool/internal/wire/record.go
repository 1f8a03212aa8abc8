package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
)

// The records in the rings of a lane. Little-endian; the length is the ring's.
//
//	task     s→w  0 kind · 1 attempt · 2 func · 4 index · 8 epoch · 12 args…
//	share    s→w  0 kind · 1 attempt · 2 func · 4 index · 8 epoch · 12 job · 16 workers · 20 block · 24 n · 32 grain · 40 lo · 48 hi · 56 args…
//	free     s→w  as the message
//	result   w→s  0 kind · 1 status · 2 frees · 4 index · 8 epoch · 12 payload…
//	part     w→s  0 kind · 4 index · 8 epoch · 12 block · 16 payload…
//
// Each task is answered by one result, in the order of the tasks. A free has no
// answer; a result says how many free messages, modulo 2¹⁶, the worker had read
// from its socket. A share is a task that is one block of a range, or, with
// ShareAll for a block, to take blocks from the counter of the job: each is
// answered by a part when it is done, before the result, which has no payload. Where
// attempts are measured each result and part ends with what was used (usage.go).
const (
	RecordTask        = 1
	recordResult      = 2
	RecordRangeShare  = 3
	recordBlockResult = 4
)

const (
	TaskBytes        = 12
	RangeShareBytes  = 56
	ResultBytes      = 12
	BlockResultBytes = 16
	MaxRecord        = RangeShareBytes + MaxInline
)

// MaxInline bounds the encoded arguments of a task and its encoded result, in bytes.
const MaxInline = 4096

// ShareAll is the block of a share that has none, sharePart of one that is the
// indices from lo up to hi, a part of a block.
const (
	ShareAll  = 1<<32 - 1
	SharePart = 1<<32 - 2
)

// MaxAttempts is what the attempt in a task can be.
const MaxAttempts = 255

// What a result says of the task.
const (
	StatusOK        = 0 // payload is the encoded result
	StatusError     = 1 // payload is a failure
	StatusPanic     = 2 // payload is a failure
	StatusGoexit    = 3 // payload is a failure
	StatusFault     = 4 // payload is a failure
	StatusFull      = 5 // payload is a failure: an error that wraps shm.ErrFull
	StatusRevoked   = 6 // the task was taken back before it was begun
	StatusResources = 7 // payload is a failure: of the worker, which lacks descriptors, mappings or memory, and runs no more tasks
)

// ErrMalformed: what came is no record or message.
var ErrMalformed = errors.New("malformed record")

// A taskID names a slot of the task table and which of its uses is meant.
type TaskID struct{ Index, Epoch uint32 }

// number is never 0: epochs begin at 1.
func (id TaskID) Number() uint64 { return uint64(id.Epoch)<<32 | uint64(id.Index) }

func appendID(b []byte, id TaskID) []byte {
	b = binary.LittleEndian.AppendUint32(b, id.Index)
	return binary.LittleEndian.AppendUint32(b, id.Epoch)
}

// readID reads from at least 8 bytes.
func readID(b []byte) TaskID {
	return TaskID{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])}
}

// A share is the record of the same name.
type RangeShare struct {
	Func    uint16
	Attempt int
	ID      TaskID
	Job     uint32 // its number; the place of its counter is job mod maxJobs
	Workers uint32 // the range is cut for
	Block   uint32
	N       int
	Grain   int
	Lo, Hi  int // of a sharePart
}

func (r RangeShare) Append(b []byte, args []byte) []byte {
	b = append(b, RecordRangeShare, byte(r.Attempt))
	b = binary.LittleEndian.AppendUint16(b, r.Func)
	b = appendID(b, r.ID)
	b = binary.LittleEndian.AppendUint32(b, r.Job)
	b = binary.LittleEndian.AppendUint32(b, r.Workers)
	b = binary.LittleEndian.AppendUint32(b, r.Block)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.N))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Grain))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Lo))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Hi))
	return append(b, args...)
}

func ReadRangeShare(b []byte) (r RangeShare, args []byte, ok bool) {
	if len(b) < RangeShareBytes || b[0] != RecordRangeShare {
		return r, nil, false
	}
	return RangeShare{
		Func:    binary.LittleEndian.Uint16(b[2:]),
		Attempt: int(b[1]),
		ID:      readID(b[4:]),
		Job:     binary.LittleEndian.Uint32(b[12:]),
		Workers: binary.LittleEndian.Uint32(b[16:]),
		Block:   binary.LittleEndian.Uint32(b[20:]),
		N:       int(binary.LittleEndian.Uint64(b[24:])),
		Grain:   int(binary.LittleEndian.Uint64(b[32:])),
		Lo:      int(binary.LittleEndian.Uint64(b[40:])),
		Hi:      int(binary.LittleEndian.Uint64(b[48:])),
	}, b[RangeShareBytes:], true
}

// AppendBlockResult appends the record without its payload.
func AppendBlockResult(b []byte, id TaskID, block uint32) []byte {
	b = appendID(append(b, recordBlockResult, 0, 0, 0), id)
	return binary.LittleEndian.AppendUint32(b, block)
}

func ReadBlockResult(b []byte) (id TaskID, block uint32, payload []byte, ok bool) {
	if len(b) < BlockResultBytes || len(b) > BlockResultBytes+MaxInline || b[0] != recordBlockResult {
		return id, 0, nil, false
	}
	return readID(b[4:]), binary.LittleEndian.Uint32(b[12:]), b[BlockResultBytes:], true
}

func AppendTask(b []byte, fn uint16, id TaskID, attempt int, args []byte) []byte {
	b = append(b, RecordTask, byte(attempt))
	b = binary.LittleEndian.AppendUint16(b, fn)
	return append(appendID(b, id), args...)
}

func ReadTask(b []byte) (fn uint16, id TaskID, attempt int, args []byte, ok bool) {
	if len(b) < TaskBytes || b[0] != RecordTask {
		return 0, id, 0, nil, false
	}
	return binary.LittleEndian.Uint16(b[2:]), readID(b[4:]), int(b[1]), b[TaskBytes:], true
}

// AppendResult appends the record without its payload.
func AppendResult(b []byte, status byte, id TaskID) []byte {
	return appendID(append(b, recordResult, status, 0, 0), id)
}

func ReadResult(b []byte) (status byte, id TaskID, payload []byte, ok bool) {
	if len(b) < ResultBytes || len(b) > ResultBytes+MaxInline || b[0] != recordResult || b[1] > StatusResources {
		return 0, id, nil, false
	}
	return b[1], readID(b[4:]), b[ResultBytes:], true
}

// SetFreesRead and frees are of a result.
func SetFreesRead(b []byte, read uint16) { binary.LittleEndian.PutUint16(b[2:], read) }
func FreesRead(b []byte) uint16          { return binary.LittleEndian.Uint16(b[2:]) }

// A failure is the payload of a result that is none:
//
//	0 length of text · 4 text… · stack…
const failureBytes = 4

// AppendFailure appends as much of both as fits into maxInline bytes, and says where
// the text goes on.
func AppendFailure(b []byte, text, stack string) []byte {
	const most, more = MaxInline - failureBytes, " … (%d bytes more)"
	room := most
	if stack != "" {
		room = most / 2
	}
	if len(text) > room {
		kept := room - len(more) - 20
		text = text[:kept] + fmt.Sprintf(more, len(text)-kept)
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	b = append(b, text...)
	return append(b, stack[:min(len(stack), most-len(text))]...)
}

// ReadFailure reads a failure, whatever it is.
func ReadFailure(b []byte) (text, stack string) {
	if len(b) < failureBytes {
		return "", ""
	}
	n := min(uint64(binary.LittleEndian.Uint32(b)), uint64(len(b)-failureBytes))
	b = b[failureBytes:]
	return strings.ToValidUTF8(string(b[:n]), "\uFFFD"), strings.ToValidUTF8(string(b[n:]), "\uFFFD")
}
