package bench

import (
	"bufio"
	"encoding/binary"
	"encoding/gob"
	"fmt"
	"io"
	"reflect"
)

// A format writes values and answers to a stream, strictly in turn: a value one way, its
// answer the other. Each end of a stream has one.
type format interface {
	write(seq uint64, v any) error      // v is a *T
	read() (seq uint64, v any, _ error) // valid until the next read
	writeAnswer(x uint64) error
	readAnswer() (uint64, error)
}

// smallFrame bounds, in bytes, what is collected and written at once: one system call
// instead of two for a copy that costs less.
const smallFrame = 4096

// newFormat is the format of a strategy over rw. Values have at most maxBytes as they are
// in memory.
func newFormat(p *payload, strategy string, rw io.ReadWriter, maxBytes int64) format {
	f := framed{p: p, r: bufio.NewReaderSize(rw, smallFrame), w: bufio.NewWriterSize(rw, smallFrame)}
	switch strategy {
	case gobFresh:
		return &gobFormat{framed: f, fresh: true}
	case gobReused:
		return &gobFormat{framed: f}
	case arrowPipe:
		return &arrowFormat{framed: f}
	default:
		return &rawFormat{framed: f, maxBytes: maxBytes}
	}
}

// framed is what formats have in common: a value follows its sequence number, and an
// answer is 8 bytes, all little-endian.
type framed struct {
	p *payload
	// Gob reads from an io.ByteReader no further than it must, so that what follows is
	// found at its place.
	r    *bufio.Reader
	w    *bufio.Writer
	word [8]byte
}

func (f *framed) writeWord(x uint64) error {
	binary.LittleEndian.PutUint64(f.word[:], x)
	_, err := f.w.Write(f.word[:])
	return err
}

func (f *framed) readWord() (uint64, error) {
	_, err := io.ReadFull(f.r, f.word[:])
	return binary.LittleEndian.Uint64(f.word[:]), err
}

func (f *framed) writeAnswer(x uint64) error {
	if err := f.writeWord(x); err != nil {
		return err
	}
	return f.w.Flush()
}

func (f *framed) readAnswer() (uint64, error) { return f.readWord() }

type gobFormat struct {
	framed
	fresh bool // a new encoder and decoder for each message
	enc   *gob.Encoder
	dec   *gob.Decoder
	kept  any // the *T that is decoded into again
}

func (f *gobFormat) encoder() *gob.Encoder {
	if f.enc == nil || f.fresh {
		f.enc = gob.NewEncoder(f.w)
	}
	return f.enc
}

func (f *gobFormat) decoder() *gob.Decoder {
	if f.dec == nil || f.fresh {
		f.dec = gob.NewDecoder(f.r)
	}
	return f.dec
}

func (f *gobFormat) write(seq uint64, v any) error {
	if err := f.writeWord(seq); err != nil {
		return err
	}
	if err := f.encoder().Encode(v); err != nil {
		return err
	}
	return f.w.Flush()
}

func (f *gobFormat) read() (seq uint64, v any, err error) {
	if seq, err = f.readWord(); err != nil {
		return 0, nil, err
	}
	// Gob leaves in place what it gets nothing for, so only arrays of numbers are
	// decoded into memory that is there.
	if f.kept == nil || f.p.dtype == 0 {
		f.kept = reflect.New(f.p.typ).Interface()
	}
	return seq, f.kept, noEOF(f.decoder().Decode(f.kept))
}

func (f *gobFormat) writeAnswer(x uint64) error {
	if err := f.encoder().Encode(x); err != nil {
		return err
	}
	return f.w.Flush()
}

func (f *gobFormat) readAnswer() (x uint64, err error) {
	err = f.decoder().Decode(&x)
	return x, err
}

// A rawFormat sends an array as a uint64 of its bytes, and the bytes.
type rawFormat struct {
	framed
	maxBytes int64
	kept     any // *T
}

func (f *rawFormat) write(seq uint64, v any) error {
	b := rawBytes(v)
	if err := f.writeWord(seq); err != nil {
		return err
	}
	if err := f.writeWord(uint64(len(b))); err != nil {
		return err
	}
	if len(b) > f.w.Available() { // the bytes go as they are, and nothing of them is collected
		if err := f.w.Flush(); err != nil {
			return err
		}
	}
	if _, err := f.w.Write(b); err != nil {
		return err
	}
	return f.w.Flush()
}

func (f *rawFormat) read() (seq uint64, v any, err error) {
	if seq, err = f.readWord(); err != nil {
		return 0, nil, err
	}
	n, err := f.readWord()
	if err != nil {
		return 0, nil, noEOF(err)
	}
	size := uint64(f.p.typ.Elem().Size())
	if n%size != 0 || n > uint64(f.maxBytes) {
		return 0, nil, fmt.Errorf("array of %d bytes, expected a multiple of %d up to %d", n, size, f.maxBytes)
	}
	if f.kept == nil {
		f.kept = reflect.New(f.p.typ).Interface()
	}
	s := reflect.ValueOf(f.kept).Elem()
	if n := int(n / size); s.Cap() < n {
		s.Set(reflect.MakeSlice(f.p.typ, n, n))
	} else {
		s.SetLen(n)
	}
	_, err = io.ReadFull(f.r, rawBytes(f.kept))
	return seq, f.kept, noEOF(err)
}

// noEOF is err for the middle of a message, where io.EOF is no good end.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
