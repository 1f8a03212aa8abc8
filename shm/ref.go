package shm

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
)

// A Ref names an array in shared memory: this is what crosses a process
// boundary in place of the bytes. It is a plain value, comparable, and holds no
// resource: it keeps nothing alive. An array without elements needs no segment.
//
// Its JSON form is
//
//	{"segment":"handoff-…-1","offset":0,"generation":3,"dtype":"float64","shape":[1000,1000]}
//
// and its binary form that of [Ref.AppendBinary].
type Ref struct {
	Segment    string `json:"segment"`    // name below /dev/shm
	Offset     int64  `json:"offset"`     // bytes from the segment's start
	Generation uint32 `json:"generation"` // how often the block was given out; 0 outside arenas
	DType      DType  `json:"dtype"`
	Shape      Shape  `json:"shape"` // C order, strides implied
}

// Bytes is the size of the array in bytes; 0 if the Ref is not valid.
func (r Ref) Bytes() int64 {
	n, why := r.Shape.bytes(r.DType.Size())
	if why != "" {
		return 0
	}
	return n
}

// Validate checks a Ref that came from outside against a segment of segBytes
// bytes. The error is a [*RefError] with the reason. A valid Ref costs no
// allocation, and no number in the Ref sizes one.
func (r Ref) Validate(segBytes int64) error {
	if !r.DType.Valid() {
		return r.refuse(fmt.Sprintf("unknown dtype %d", uint8(r.DType)))
	}
	size, why := r.Shape.bytes(r.DType.Size())
	switch {
	case why != "":
		return r.refuse(why)
	case r.Offset < 0:
		return r.refuse(fmt.Sprintf("offset %d is negative", r.Offset))
	case r.Offset%dtypes[r.DType].align != 0:
		return r.refuse(fmt.Sprintf("offset %d is not a multiple of %d as %v needs", r.Offset, dtypes[r.DType].align, r.DType))
	case size > segBytes || r.Offset > segBytes-size:
		return r.refuse(fmt.Sprintf("%d bytes at offset %d end past the segment's %d", size, r.Offset, segBytes))
	}
	if size == 0 && r.Segment == "" {
		return nil
	}
	return CheckName(r.Segment)
}

func (r Ref) refuse(reason string) error { return &RefError{Segment: r.Segment, Reason: reason} }

// UnmarshalJSON reads the form above (generation may be missing: 0). Missing fields,
// others, one that stands there twice or is null, and anything that no segment could
// satisfy are errors; names are compared to the letter. The segment's size is checked
// when the Ref is bound.
func (r *Ref) UnmarshalJSON(b []byte) error {
	var v Ref
	fields := map[string]any{
		"segment": &v.Segment, "offset": &v.Offset, "generation": &v.Generation, "dtype": &v.DType, "shape": &v.Shape,
	}
	if err := readObject(b, fields); err != nil {
		return fmt.Errorf("shm: ref: %w", err)
	}
	for _, name := range []string{"segment", "offset", "dtype", "shape"} {
		if fields[name] != nil {
			return fmt.Errorf("shm: ref: %s is missing, expected segment, offset, dtype and shape", name)
		}
	}
	if err := v.Validate(math.MaxInt64); err != nil {
		return err
	}
	*r = v
	return nil
}

// readObject reads a JSON object into fields, from which it deletes what it has read.
// encoding/json alone takes any case for a name, the last of two values, and null for
// nothing.
func readObject(b []byte, fields map[string]any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return fmt.Errorf("%.40q is no object", b)
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		to, ok := fields[name]
		if !ok {
			return fmt.Errorf("%.40q is no field of it, or stands there twice", name)
		}
		delete(fields, name)
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return err
		}
		if string(value) == "null" {
			return fmt.Errorf("%s is null", name)
		}
		if err := json.Unmarshal(value, to); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if _, err := d.Token(); err != nil { // its end
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("something follows the object")
	}
	return nil
}

// AppendBinary appends the Ref's binary form to b, which gob uses too.
// Little-endian:
//
//	offset  size  field
//	     0     1  dtype
//	     1     1  rank, 0…8
//	     2     2  length of the name
//	     4     4  generation
//	     8     8  byte offset
//	    16  8·rank  dimensions
//	     …     …  name
func (r Ref) AppendBinary(b []byte) ([]byte, error) {
	if err := r.Validate(math.MaxInt64); err != nil {
		return b, err
	}
	b = append(b, byte(r.DType), byte(r.Shape.rank))
	b = binary.LittleEndian.AppendUint16(b, uint16(len(r.Segment)))
	b = binary.LittleEndian.AppendUint32(b, r.Generation)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Offset))
	b = r.Shape.appendDims(b)
	return append(b, r.Segment...), nil
}

// MarshalBinary is [Ref.AppendBinary] to a new slice.
func (r Ref) MarshalBinary() ([]byte, error) { return r.AppendBinary(nil) }

// UnmarshalBinary reads the whole of b. It refuses what no segment could satisfy.
func (r *Ref) UnmarshalBinary(b []byte) error {
	const head = 16
	if len(b) < head {
		return fmt.Errorf("shm: ref: %d bytes, expected at least %d", len(b), head)
	}
	v := Ref{
		DType:      DType(b[0]),
		Generation: binary.LittleEndian.Uint32(b[4:]),
		Offset:     int64(binary.LittleEndian.Uint64(b[8:])),
	}
	rank, name := int(b[1]), int(binary.LittleEndian.Uint16(b[2:]))
	if rank > MaxRank || len(b) != head+8*rank+name || name > maxNameBytes {
		return fmt.Errorf("shm: ref: %d bytes with rank %d and a name of %d bytes", len(b), rank, name)
	}
	v.Shape.readDims(b[head:], rank)
	v.Segment = string(b[head+8*rank:])
	if err := v.Validate(math.MaxInt64); err != nil {
		return err
	}
	*r = v
	return nil
}
