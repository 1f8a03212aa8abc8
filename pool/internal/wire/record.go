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

// MaxInline bounds the encoded arguments of a task and its encoded result in a record, in
// bytes. What is longer is in a side block.
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

// Bits in the kind of a task or range.
const (
	largeBit    = 0x80 // the arguments are the ref of a side block
	deadlineBit = 0x40 // of a task: they come after its deadline
	kindBits    = largeBit | deadlineBit
)

func (r RangeShare) kind() byte {
	if r.Large {
		return RecordRangeShare | largeBit
	}
	return RecordRangeShare
}

// A Task is the record that gives a worker a task.
type Task struct {
	Func     uint16
	Attempt  int
	ID       TaskID
	Large    bool  // its arguments are in a side block
	Deadline int64 // of its context, in nanoseconds since 1970; 0: none
}

// Bytes is the size of the record before its arguments.
func (t *Task) Bytes() int {
	if t.Deadline != 0 {
		return TaskBytes + 8
	}
	return TaskBytes
}

func (t *Task) Append(b []byte, args []byte) []byte {
	kind := byte(RecordTask)
	if t.Large {
		kind |= largeBit
	}
	if t.Deadline != 0 {
		kind |= deadlineBit
	}
	b = appendID(le.AppendUint16(append(b, kind, byte(t.Attempt)), t.Func), t.ID)
	if t.Deadline != 0 {
		b = le.AppendUint64(b, uint64(t.Deadline))
	}
	return append(b, args...)
}

func ReadTask(b []byte) (t Task, args []byte, ok bool) {
	if len(b) < TaskBytes || b[0]&^kindBits != RecordTask {
		return t, nil, false
	}
	t = Task{Func: le.Uint16(b[2:]), Attempt: int(b[1]), ID: readID(b[4:]), Large: b[0]&largeBit != 0}
	args = b[TaskBytes:]
	if b[0]&deadlineBit != 0 {
		if len(args) < 8 || le.Uint64(args) == 0 {
			return t, nil, false
		}
		t.Deadline, args = int64(le.Uint64(args)), args[8:]
	}
	return t, args, true
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
	Lo, Hi  int  // of PartOfBlock
	Large   bool // its arguments are in a side block
}

const (
	AnyBlock    = 1<<32 - 1 // the worker takes blocks from the counter of the job
	PartOfBlock = 1<<32 - 2 // the indices from Lo up to Hi
)

func (r RangeShare) Append(b []byte, args []byte) []byte {
	b = le.AppendUint16(append(b, r.kind(), byte(r.Attempt)), r.Func)
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
	if len(b) < RangeShareBytes || b[0]&^largeBit != RecordRangeShare {
		return r, nil, false
	}
	return RangeShare{
		Func: le.Uint16(b[2:]), Attempt: int(b[1]), ID: readID(b[4:]),
		Job: le.Uint32(b[12:]), Workers: le.Uint32(b[16:]), Block: le.Uint32(b[20:]),
		N: int(le.Uint64(b[24:])), Grain: int(le.Uint64(b[32:])), Lo: int(le.Uint64(b[40:])), Hi: int(le.Uint64(b[48:])),
		Large: b[0]&largeBit != 0,
	}, b[RangeShareBytes:], true
}

// AppendBlock appends the answer for a block without its payload.
func AppendBlock(b []byte, id TaskID, block uint32) []byte {
	return le.AppendUint32(appendID(append(b, recordBlock, 0, 0, 0), id), block)
}

// SetBlockLarge says that the payload of a block is the ref of a side block.
func SetBlockLarge(block []byte) { block[1] = 1 }

func ReadBlock(b []byte) (id TaskID, block uint32, isLarge bool, payload []byte, ok bool) {
	if len(b) < BlockBytes || len(b) > BlockBytes+MaxInline || b[0] != recordBlock {
		return id, 0, false, nil, false
	}
	return readID(b[4:]), le.Uint32(b[12:]), b[1] == 1, b[BlockBytes:], true
}

// AppendResult appends the record without its payload.
func AppendResult(b []byte, status Status, id TaskID) []byte {
	return appendID(append(b, recordResult, byte(status), 0, 0), id)
}

func ReadResult(b []byte) (status Status, id TaskID, payload []byte, ok bool) {
	if len(b) < ResultBytes || len(b) > ResultBytes+MaxInline || b[0] != recordResult || ResultStatus(b) > StatusLarge {
		return 0, id, nil, false
	}
	return ResultStatus(b), readID(b[4:]), b[ResultBytes:], true
}

// The fields of a result that are known only when it is complete.

func ResultStatus(result []byte) Status            { return Status(result[1]) }
func SetResultStatus(result []byte, status Status) { result[1] = byte(status) }
func FreesRead(result []byte) uint16               { return le.Uint16(result[2:]) }
func SetFreesRead(result []byte, n uint16)         { le.PutUint16(result[2:], n) }
