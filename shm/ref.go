package shm

import (
	"encoding/json"
	"fmt"
)

// A Ref names an array in shared memory: this is what crosses a process
// boundary in place of the bytes. It is a plain value, comparable, and holds no
// resource: it keeps nothing alive. An array without elements needs no segment.
//
// Its JSON form is
//
//	{"segment":"handoff-…-1","offset":0,"generation":3,"dtype":"float64","shape":[1000,1000]}
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

// UnmarshalJSON reads the form above (generation may be missing: 0). Missing fields and anything
// that no segment could satisfy are errors; the segment's size is checked when
// the Ref is bound.
func (r *Ref) UnmarshalJSON(b []byte) error {
	var in struct {
		Segment    *string
		Offset     *int64
		Generation *uint32
		DType      *DType
		Shape      *Shape
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return fmt.Errorf("shm: ref: %w", err)
	}
	if in.Segment == nil || in.Offset == nil || in.DType == nil || in.Shape == nil {
		return fmt.Errorf("shm: ref: expected segment, offset, dtype and shape")
	}
	v := Ref{Segment: *in.Segment, Offset: *in.Offset, DType: *in.DType, Shape: *in.Shape}
	if in.Generation != nil {
		v.Generation = *in.Generation
	}
	if err := v.Validate(1<<63 - 1); err != nil {
		return err
	}
	*r = v
	return nil
}
