package pool

import (
	"encoding/binary"
	"fmt"
	"strings"

	"example.com/handoff/shm"
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
// shareAll for a block, to take blocks from the counter of the job: each is
// answered by a part when it is done, before the result, which has no payload. Where
// attempts are measured each result and part ends with what was used (usage.go).
const (
	recTask   = 1
	recResult = 2
	recShare  = 3
	recPart   = 4
)

const (
	taskBytes   = 12
	shareBytes  = 56
	resultBytes = 12
	partBytes   = 16
	maxRecord   = shareBytes + maxInline
)

// shareAll is the block of a share that has none, sharePart of one that is the
// indices from lo up to hi, a part of a block.
const (
	shareAll  = 1<<32 - 1
	sharePart = 1<<32 - 2
)

// maxAttempts is what the attempt in a task can be.
const maxAttempts = 255

// What a result says of the task.
const (
	statusOK     = 0 // payload is the encoded result
	statusError  = 1 // payload is a failure
	statusPanic  = 2 // payload is a failure
	statusGoexit = 3 // payload is a failure
	statusFault  = 4 // payload is a failure
	statusFull   = 5 // payload is a failure: an error that wraps shm.ErrFull
	statusBack   = 6 // the task was taken back before it was begun
	statusShort  = 7 // payload is a failure: of the worker, which lacks descriptors, mappings or memory, and runs no more tasks
)

// A taskID names a slot of the task table and which of its uses is meant.
type taskID struct{ index, epoch uint32 }

// number is never 0: epochs begin at 1.
func (id taskID) number() uint64 { return uint64(id.epoch)<<32 | uint64(id.index) }

func appendID(b []byte, id taskID) []byte {
	b = binary.LittleEndian.AppendUint32(b, id.index)
	return binary.LittleEndian.AppendUint32(b, id.epoch)
}

// readID reads from at least 8 bytes.
func readID(b []byte) taskID {
	return taskID{binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])}
}

// A share is the record of the same name.
type share struct {
	fn      uint16
	attempt int
	id      taskID
	job     uint32 // its number; the place of its counter is job mod maxJobs
	workers uint32 // the range is cut for
	block   uint32
	n       int
	grain   int
	lo, hi  int // of a sharePart
}

func (r share) append(b []byte, args []byte) []byte {
	b = append(b, recShare, byte(r.attempt))
	b = binary.LittleEndian.AppendUint16(b, r.fn)
	b = appendID(b, r.id)
	b = binary.LittleEndian.AppendUint32(b, r.job)
	b = binary.LittleEndian.AppendUint32(b, r.workers)
	b = binary.LittleEndian.AppendUint32(b, r.block)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.n))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.grain))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.lo))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.hi))
	return append(b, args...)
}

func readShare(b []byte) (r share, args []byte, ok bool) {
	if len(b) < shareBytes || b[0] != recShare {
		return r, nil, false
	}
	return share{
		fn:      binary.LittleEndian.Uint16(b[2:]),
		attempt: int(b[1]),
		id:      readID(b[4:]),
		job:     binary.LittleEndian.Uint32(b[12:]),
		workers: binary.LittleEndian.Uint32(b[16:]),
		block:   binary.LittleEndian.Uint32(b[20:]),
		n:       int(binary.LittleEndian.Uint64(b[24:])),
		grain:   int(binary.LittleEndian.Uint64(b[32:])),
		lo:      int(binary.LittleEndian.Uint64(b[40:])),
		hi:      int(binary.LittleEndian.Uint64(b[48:])),
	}, b[shareBytes:], true
}

// appendPart appends the record without its payload.
func appendPart(b []byte, id taskID, block uint32) []byte {
	b = appendID(append(b, recPart, 0, 0, 0), id)
	return binary.LittleEndian.AppendUint32(b, block)
}

func readPart(b []byte) (id taskID, block uint32, payload []byte, ok bool) {
	if len(b) < partBytes || len(b) > partBytes+maxInline || b[0] != recPart {
		return id, 0, nil, false
	}
	return readID(b[4:]), binary.LittleEndian.Uint32(b[12:]), b[partBytes:], true
}

func appendTask(b []byte, fn uint16, id taskID, attempt int, args []byte) []byte {
	b = append(b, recTask, byte(attempt))
	b = binary.LittleEndian.AppendUint16(b, fn)
	return append(appendID(b, id), args...)
}

func readTask(b []byte) (fn uint16, id taskID, attempt int, args []byte, ok bool) {
	if len(b) < taskBytes || b[0] != recTask {
		return 0, id, 0, nil, false
	}
	return binary.LittleEndian.Uint16(b[2:]), readID(b[4:]), int(b[1]), b[taskBytes:], true
}

// appendResult appends the record without its payload.
func appendResult(b []byte, status byte, id taskID) []byte {
	return appendID(append(b, recResult, status, 0, 0), id)
}

func readResult(b []byte) (status byte, id taskID, payload []byte, ok bool) {
	if len(b) < resultBytes || len(b) > resultBytes+maxInline || b[0] != recResult || b[1] > statusShort {
		return 0, id, nil, false
	}
	return b[1], readID(b[4:]), b[resultBytes:], true
}

// setFrees and frees are of a result.
func setFrees(b []byte, read uint16) { binary.LittleEndian.PutUint16(b[2:], read) }
func frees(b []byte) uint16          { return binary.LittleEndian.Uint16(b[2:]) }

// A failure is the payload of a result that is none:
//
//	0 length of text · 4 text… · stack…
const failureBytes = 4

// appendFailure appends as much of both as fits into maxInline bytes, and says where
// the text goes on.
func appendFailure(b []byte, text, stack string) []byte {
	const most, more = maxInline - failureBytes, " … (%d bytes more)"
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

// readFailure reads a failure, whatever it is.
func readFailure(b []byte) (text, stack string) {
	if len(b) < failureBytes {
		return "", ""
	}
	n := min(uint64(binary.LittleEndian.Uint32(b)), uint64(len(b)-failureBytes))
	b = b[failureBytes:]
	return strings.ToValidUTF8(string(b[:n]), "\uFFFD"), strings.ToValidUTF8(string(b[n:]), "\uFFFD")
}

// taskError reads the payload of a result that is none.
func taskError(fn string, status byte, payload []byte) *TaskError {
	text, stack := readFailure(payload)
	e := &TaskError{Func: fn, Text: text, Stack: stack}
	e.Kind = map[byte]string{statusError: "error", statusFull: "error", statusPanic: "panic", statusGoexit: "goexit", statusFault: "fault", statusShort: "resources"}[status]
	if status == statusFull {
		e.is = shm.ErrFull
	}
	return e
}
