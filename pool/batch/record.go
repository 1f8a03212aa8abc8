package batch

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
)

// The records of a job's journal. Each begins with a letter:
//
//	C  a chunk that is done: binary, as appendCommit writes it
//	H  the hash of an input's content (hashRecord, JSON)
//	B  a line of an input that is left out (badLine, JSON), ahead of the chunks behind it
//	P  the end of a pass (passRecord, JSON)
//	S  the output is whole under its temporary name (sealRecord, JSON)
//	D  the job is done (Summary, JSON)
const (
	recordCommit = 'C'
	recordHash   = 'H'
	recordBad    = 'B'
	recordPass   = 'P'
	recordSeal   = 'S'
	recordDone   = 'D'
)

// A header is what a job is: the journal's first record. Resuming compares it.
type header struct {
	Version   int      `json:"version"`
	ID        string   `json:"id"` // of the job, in the names of its temporary files
	Op        string   `json:"op"` // with all parameters
	Inputs    []input  `json:"inputs"`
	Columns   []string `json:"columns,omitempty"`
	ChunkRows int      `json:"chunk_rows"`
	Out       string   `json:"out"` // absolute
}

// headerVersion is that of what the records mean.
const headerVersion = 2

type hashRecord struct {
	Input  int    `json:"input"`
	SHA256 []byte `json:"sha256"`
}

type passRecord struct {
	Pass    int           `json:"pass"`
	Chunks  int64         `json:"chunks"`
	Rows    int64         `json:"rows"`
	Text    []bool        `json:"text"` // by column
	Skipped []skippedJSON `json:"skipped"`
	Cut     []int         `json:"cut,omitempty"` // inputs
}

type skippedJSON struct {
	Name, Why string
	Field     int
}

type sealRecord struct {
	Size   int64  `json:"size"`
	Device uint64 `json:"device"`
	Inode  uint64 `json:"inode"`
	// What the job was; Workers and what else an end costs are missing.
	Summary Summary `json:"summary"`
}

func jsonRecord(letter byte, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	return append([]byte{letter}, b...), err
}

// An extent is rows of the output in the file.
type extent struct {
	chunk    int64
	off, len int64
	crc      uint32 // CRC-32C of its bytes
	piece    [2]int64
}

// appendCommit appends the record of a chunk. Numbers are varints.
func appendCommit(b []byte, c *commit) []byte {
	b = append(b, recordCommit)
	for _, v := range []int64{int64(c.pass), c.index, int64(c.input), c.first, c.rows, int64(c.units), int64(len(c.left)), int64(len(c.partials)), int64(len(c.extents))} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	for _, q := range c.left {
		b = binary.AppendUvarint(b, uint64(q.Row))
		b = appendBytes(b, q.Column)
		b = appendBytes(b, q.Reason)
		b = appendBytes(b, q.values)
	}
	for _, p := range c.partials {
		b = appendBytes(b, p)
	}
	for _, x := range c.extents {
		for _, v := range []int64{x.off, x.len, int64(x.crc), x.piece[0], x.piece[1]} {
			b = binary.AppendUvarint(b, uint64(v))
		}
	}
	return b
}

func appendBytes[T string | []byte](b []byte, s T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errRecord = errors.New("a record of the journal makes no sense")

// A decoder reads what appendCommit has written, from bytes that may be anything.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) number() int64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > 1<<62 {
		d.bad, d.b = true, nil
		return 0
	}
	d.b = d.b[n:]
	return int64(v)
}

// count is a number of things that take at least `least` bytes each.
func (d *decoder) count(least int) int {
	n := d.number()
	if n > int64(len(d.b)/least) {
		d.bad, d.b = true, nil
		return 0
	}
	return int(n)
}

func (d *decoder) bytes() []byte {
	n := d.count(1)
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}

// readCommit reads a record without its letter. What it returns borrows b.
func readCommit(b []byte) (*commit, error) {
	d := &decoder{b: b}
	c := &commit{pass: int(d.number()), index: d.number(), input: int(d.number()), first: d.number(), rows: d.number(), units: int(d.number())}
	left, partials, extents := d.count(4), d.count(1), d.count(5)
	for range left {
		c.left = append(c.left, Quarantined{Row: d.number(), Column: string(d.bytes()), Reason: string(d.bytes()), values: d.bytes(), input: c.input})
	}
	for range partials {
		c.partials = append(c.partials, d.bytes())
	}
	for range extents {
		x := extent{chunk: c.index, off: d.number(), len: d.number(), crc: uint32(d.number())}
		x.piece = [2]int64{d.number(), d.number()}
		c.extents = append(c.extents, x)
	}
	if d.bad || len(d.b) != 0 || partials > 0 && (c.units <= 0 || partials%c.units != 0) {
		return nil, fmt.Errorf("%w: a chunk of %d bytes", errRecord, len(b))
	}
	return c, nil
}
