package shm

import (
	"encoding/binary"
	"fmt"
)

// A WireRef is a Ref whose segment was announced before under a number: what a
// task carries. Little-endian, 24 bytes and 8 more per dimension:
//
//	offset  size  field
//	     0     4  segment id
//	     4     4  generation
//	     8     8  byte offset
//	    16     1  dtype
//	    17     1  rank, 0…8
//	    18     6  zero
//	    24  8·rank  dimensions
type WireRef struct {
	ID  uint32 // 0: an array without elements, in no segment
	Ref Ref    // Segment is empty
}

const wireRefBytes = 24

// Append appends the record to b.
func (w WireRef) Append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, w.ID)
	b = binary.LittleEndian.AppendUint32(b, w.Ref.Generation)
	b = binary.LittleEndian.AppendUint64(b, uint64(w.Ref.Offset))
	b = append(b, byte(w.Ref.DType), byte(w.Ref.Shape.rank), 0, 0, 0, 0, 0, 0)
	return w.Ref.Shape.appendDims(b)
}

// ReadWireRef reads one record from the start of b and returns the rest of b.
// The record is input from a stranger: the fields are only as good as
// [Ref.Validate] finds them, but reading allocates nothing and never panics.
func ReadWireRef(b []byte) (WireRef, []byte, error) {
	if len(b) < wireRefBytes {
		return WireRef{}, nil, fmt.Errorf("shm: wire ref: %d bytes, expected at least %d", len(b), wireRefBytes)
	}
	var w WireRef
	w.ID = binary.LittleEndian.Uint32(b)
	w.Ref.Generation = binary.LittleEndian.Uint32(b[4:])
	w.Ref.Offset = int64(binary.LittleEndian.Uint64(b[8:]))
	w.Ref.DType = DType(b[16])
	rank := int(b[17])
	for _, z := range b[18:24] {
		if z != 0 {
			return WireRef{}, nil, fmt.Errorf("shm: wire ref: reserved bytes are not zero")
		}
	}
	if rank > MaxRank {
		return WireRef{}, nil, fmt.Errorf("shm: wire ref: rank %d, at most %d", rank, MaxRank)
	}
	b = b[wireRefBytes:]
	if len(b) < 8*rank {
		return WireRef{}, nil, fmt.Errorf("shm: wire ref: %d bytes of dimensions, expected %d", len(b), 8*rank)
	}
	w.Ref.Shape.readDims(b, rank)
	return w, b[8*rank:], nil
}
