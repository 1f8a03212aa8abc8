package bench

import (
	"bufio"
	"encoding/binary"
	"encoding/gob"
	"fmt"
	"io"
	"math"
)

// A format writes arrays and answers to a stream, strictly in turn: an array
// one way, its answer the other. Each end of a stream has one.
type format interface {
	writeArray(x []float64) error
	readArray() ([]float64, error) // valid until the next readArray
	writeAnswer(v float64) error
	readAnswer() (float64, error)
}

// newFormat is the format of a strategy over rw; arrays have at most maxBytes.
func newFormat(strategy string, rw io.ReadWriter, maxBytes int64) format {
	// Gob reads from an io.ByteReader no further than it must, so that the
	// decoder of the next message finds its beginning.
	r := bufio.NewReaderSize(rw, smallFrame)
	switch strategy {
	case gobFresh:
		return &gobFormat{r: r, w: rw, fresh: true}
	case gobReused:
		return &gobFormat{r: r, w: rw}
	default:
		return &rawFormat{r: r, w: rw, maxBytes: maxBytes}
	}
}

type gobFormat struct {
	r     *bufio.Reader
	w     io.Writer
	fresh bool // a new encoder and decoder for each message
	enc   *gob.Encoder
	dec   *gob.Decoder
	x     []float64
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

func (f *gobFormat) writeArray(x []float64) error { return f.encoder().Encode(x) }
func (f *gobFormat) writeAnswer(v float64) error  { return f.encoder().Encode(v) }

func (f *gobFormat) readArray() ([]float64, error) {
	f.x = f.x[:0]
	err := f.decoder().Decode(&f.x)
	return f.x, err
}

func (f *gobFormat) readAnswer() (v float64, err error) {
	err = f.decoder().Decode(&v)
	return v, err
}

// A rawFormat sends an array as a uint64 of its bytes, little-endian, and the
// bytes; an answer as the 8 bytes of a float64.
type rawFormat struct {
	r        *bufio.Reader
	w        io.Writer
	maxBytes int64
	out      [smallFrame]byte
	in       [elemBytes]byte
	x        []float64
}

// smallFrame bounds, in bytes, what is written at once, length and array: one
// system call instead of two for a copy that costs less.
const smallFrame = 4096

func (f *rawFormat) writeArray(x []float64) error {
	b := bytesOf(x)
	binary.LittleEndian.PutUint64(f.out[:], uint64(len(b)))
	if elemBytes+len(b) <= len(f.out) {
		_, err := f.w.Write(f.out[:elemBytes+copy(f.out[elemBytes:], b)])
		return err
	}
	if _, err := f.w.Write(f.out[:elemBytes]); err != nil {
		return err
	}
	_, err := f.w.Write(b)
	return err
}

func (f *rawFormat) readArray() ([]float64, error) {
	if _, err := io.ReadFull(f.r, f.in[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint64(f.in[:])
	if n%elemBytes != 0 || n > uint64(f.maxBytes) {
		return nil, fmt.Errorf("array of %d bytes, expected a multiple of %d up to %d", n, elemBytes, f.maxBytes)
	}
	if n := int(n / elemBytes); cap(f.x) < n {
		f.x = make([]float64, n)
	} else {
		f.x = f.x[:n]
	}
	_, err := io.ReadFull(f.r, bytesOf(f.x))
	return f.x, noEOF(err)
}

func (f *rawFormat) writeAnswer(v float64) error {
	binary.LittleEndian.PutUint64(f.out[:], math.Float64bits(v))
	_, err := f.w.Write(f.out[:elemBytes])
	return err
}

func (f *rawFormat) readAnswer() (float64, error) {
	_, err := io.ReadFull(f.r, f.in[:])
	return math.Float64frombits(binary.LittleEndian.Uint64(f.in[:])), err
}

// noEOF is err for the middle of a message, where io.EOF is no good end.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
