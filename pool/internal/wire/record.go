package wire

import "errors"

// The kinds of records, in their first byte. A free is a record too.
const (
	RecordTask       = 1
	recordResult     = 2
	RecordRangeShare = 3
	recordBlock      = 4
)

// The bytes of a record before its arguments or payload.
const (
	TaskBytes       = 12
	RangeShareBytes = 56
	ResultBytes     = 12
	BlockBytes      = 16
)

// MaxInline bounds the encoded arguments of a task and its encoded result, in bytes.
const MaxInline = 4096

// MaxAttempts is the largest number of an attempt: a record has a byte for it.
const MaxAttempts = 255

// ErrMalformed is returned for what is no message or record.
var ErrMalformed = errors.New("malformed record")

// A TaskID names a slot of the task table, and in Epoch, from 1, which of its uses.
type TaskID struct{ Index, Epoch uint32 }

// Number is the id in one word. It is never 0.
func (id TaskID) Number() uint64 { return uint64(id.Epoch)<<32 | uint64(id.Index) }

func appendID(b []byte, id TaskID) []byte {
	return le.AppendUint32(le.AppendUint32(b, id.Index), id.Epoch)
}

func readID(b []byte) TaskID { return TaskID{le.Uint32(b), le.Uint32(b[4:])} }

func AppendTask(b []byte, fn uint16, id TaskID, attempt int, args []byte) []byte {
	b = le.AppendUint16(append(b, RecordTask, byte(attempt)), fn)
	return append(appendID(b, id), args...)
}

func ReadTask(b []byte) (fn uint16, id TaskID, attempt int, args []byte, ok bool) {
	if len(b) < TaskBytes || b[0] != RecordTask {
		return 0, id, 0, nil, false
	}
	return le.Uint16(b[2:]), readID(b[4:]), int(b[1]), b[TaskBytes:], true
}

// A RangeShare is the record that gives a worker a part in a range.
type RangeShare struct {
	Func    uint16
	Attempt int
	ID      TaskID
	Job     uint32 // its number, which says where its counter is
	Workers uint32 // that the range is cut for
	Block   uint32 // its number, or one of the two below
	N       int
	Grain   int
	Lo, Hi  int // of PartOfBlock
}

const (
	AnyBlock    = 1<<32 - 1 // the worker takes blocks from the counter of the job
	PartOfBlock = 1<<32 - 2 // the indices from Lo up to Hi
)

func (r RangeShare) Append(b []byte, args []byte) []byte {
	b = le.AppendUint16(append(b, RecordRangeShare, byte(r.Attempt)), r.Func)
	b = appendID(b, r.ID)
	b = le.AppendUint32(b, r.Job)
	b = le.AppendUint32(b, r.Workers)
	b = le.AppendUint32(b, r.Block)
	b = le.AppendUint64(b, uint64(r.N))
	b = le.AppendUint64(b, uint64(r.Grain))
	b = le.AppendUint64(b, uint64(r.Lo))
	b = le.AppendUint64(b, uint64(r.Hi))
	return append(b, args...)
}

func ReadRangeShare(b []byte) (r RangeShare, args []byte, ok bool) {
	if len(b) < RangeShareBytes || b[0] != RecordRangeShare {
		return r, nil, false
	}
	return RangeShare{
		Func: le.Uint16(b[2:]), Attempt: int(b[1]), ID: readID(b[4:]),
		Job: le.Uint32(b[12:]), Workers: le.Uint32(b[16:]), Block: le.Uint32(b[20:]),
		N: int(le.Uint64(b[24:])), Grain: int(le.Uint64(b[32:])), Lo: int(le.Uint64(b[40:])), Hi: int(le.Uint64(b[48:])),
	}, b[RangeShareBytes:], true
}

// AppendBlock appends the answer for a block without its payload.
func AppendBlock(b []byte, id TaskID, block uint32) []byte {
	return le.AppendUint32(appendID(append(b, recordBlock, 0, 0, 0), id), block)
}

func ReadBlock(b []byte) (id TaskID, block uint32, payload []byte, ok bool) {
	if len(b) < BlockBytes || len(b) > BlockBytes+MaxInline || b[0] != recordBlock {
		return id, 0, nil, false
	}
	return readID(b[4:]), le.Uint32(b[12:]), b[BlockBytes:], true
}

// AppendResult appends the record without its payload.
func AppendResult(b []byte, status Status, id TaskID) []byte {
	return appendID(append(b, recordResult, byte(status), 0, 0), id)
}

func ReadResult(b []byte) (status Status, id TaskID, payload []byte, ok bool) {
	if len(b) < ResultBytes || len(b) > ResultBytes+MaxInline || b[0] != recordResult || ResultStatus(b) > StatusResources {
		return 0, id, nil, false
	}
	return ResultStatus(b), readID(b[4:]), b[ResultBytes:], true
}

// The fields of a result that are known only when it is complete.

func ResultStatus(result []byte) Status            { return Status(result[1]) }
func SetResultStatus(result []byte, status Status) { result[1] = byte(status) }
func FreesRead(result []byte) uint16               { return le.Uint16(result[2:]) }
func SetFreesRead(result []byte, n uint16)         { le.PutUint16(result[2:], n) }
