package batch

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"example.com/handoff/arrowipc/files"
)

// The records of a job's journal. Each begins with a letter:
//
//	C  a chunk that is done: binary, as appendCommit writes it
//	H  the hash of an input's content (hashRecord, JSON)
//	B  a line of an input that is left out (badLine, JSON), before the chunks that follow it
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

// A header identifies a job. It is the journal's header; resuming compares it.
type header struct {
	Version   int      `json:"version"`
	ID        string   `json:"id"` // of the job, in the names of its temporary files
	Op        string   `json:"op"` // with all parameters
	Inputs    []input  `json:"inputs"`
	Columns   []string `json:"columns,omitempty"`
	ChunkRows int      `json:"chunk_rows"`
	Out       string   `json:"out"` // absolute
}

// headerVersion changes with the meaning of any record.
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

func readHeader(b []byte) (h header, err error) {
	if err := json.Unmarshal(b, &h); err != nil {
		return h, fmt.Errorf("%w: header: %w", errRecord, err)
	}
	if h.Version != headerVersion {
		return h, fmt.Errorf("the journal is of version %d, expected %d: use the program that began the job", h.Version, headerVersion)
	}
	return h, nil
}

// readRecord returns a *commit, *hashRecord, *badLine, *passRecord, *sealRecord or
// *Summary. It borrows rec.
func readRecord(rec []byte) (r any, err error) {
	if len(rec) == 0 {
		return nil, errRecord
	}
	switch rec[0] {
	case recordCommit:
		return readCommit(rec[1:])
	case recordHash:
		r = new(hashRecord)
	case recordBad:
		r = new(badLine)
	case recordPass:
		r = new(passRecord)
	case recordSeal:
		r = new(sealRecord)
	case recordDone:
		r = new(Summary)
	default:
		return nil, fmt.Errorf("%w: kind %q", errRecord, rec[0])
	}
	return r, json.Unmarshal(rec[1:], r)
}

// An extent locates rows of a chunk in the output's file.
type extent struct {
	chunk    int64
	off, len int64
	crc      uint32 // CRC-32C of its bytes
	block    files.Block
}

// appendCommit appends the record of a chunk. Numbers are varints.
func appendCommit(b []byte, c *commit) []byte {
	b = append(b, recordCommit)
	for _, v := range []int64{int64(c.pass), c.index, int64(c.input), c.first, c.rows, int64(c.tasks), int64(len(c.quarantined)), int64(len(c.partials)), int64(len(c.extents))} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	for _, q := range c.quarantined {
		b = binary.AppendUvarint(b, uint64(q.Row))
		b = appendBytes(b, q.Column)
		b = appendBytes(b, q.Reason)
		b = appendBytes(b, q.values)
	}
	for _, p := range c.partials {
		b = appendBytes(b, p)
	}
	for _, x := range c.extents {
		for _, v := range []int64{x.off, x.len, int64(x.crc), x.block.Meta, x.block.Body} {
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
	c := &commit{pass: int(d.number()), index: d.number(), input: int(d.number()), first: d.number(), rows: d.number(), tasks: int(d.number())}
	quarantined, partials, extents := d.count(4), d.count(1), d.count(5)
	for range quarantined {
		c.quarantined = append(c.quarantined, Quarantined{Row: d.number(), Column: string(d.bytes()), Reason: string(d.bytes()), values: d.bytes(), input: c.input})
	}
	for range partials {
		c.partials = append(c.partials, d.bytes())
	}
	for range extents {
		x := extent{chunk: c.index, off: d.number(), len: d.number(), crc: uint32(d.number())}
		x.block = files.Block{Meta: d.number(), Body: d.number()}
		c.extents = append(c.extents, x)
	}
	if d.bad || len(d.b) != 0 || partials > 0 && (c.tasks <= 0 || partials%c.tasks != 0) {
		return nil, fmt.Errorf("%w: a chunk of %d bytes", errRecord, len(b))
	}
	return c, nil
}
