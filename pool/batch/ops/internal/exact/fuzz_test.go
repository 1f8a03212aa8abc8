package exact

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"
)

// FuzzSumsAgainstRat adds floats made of the input's bytes, in two pieces with
// a bitmap, and compares with rationals.
func FuzzSumsAgainstRat(f *testing.F) {
	for name := range generators {
		seed, err := binary.Append(nil, binary.LittleEndian, generate(name, 1, 9))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed, uint8(4), uint64(0x5a5a), uint8(3))
	}
	f.Fuzz(func(t *testing.T, raw []byte, cut uint8, bitmap uint64, bitOffset uint8) {
		raw = raw[:min(len(raw), 8*40)] // rationals of any magnitude are slow
		values := make([]float64, len(raw)/8)
		valid := binary.LittleEndian.AppendUint64(nil, bitmap)
		bitOffset %= 24
		var kept []float64
		for i := range values {
			values[i] = math.Float64frombits(binary.LittleEndian.Uint64(raw[8*i:]))
			if math.IsNaN(values[i]) || math.IsInf(values[i], 0) {
				values[i] = float64(i)
			}
			if bitmap>>(int(bitOffset)+i)&1 == 1 {
				kept = append(kept, values[i])
			}
		}
		var whole, left, right Column
		k := min(int(cut), len(values))
		for _, part := range []struct {
			to          *Column
			from, until int
		}{{&whole, 0, len(values)}, {&left, 0, k}, {&right, k, len(values)}} {
			err := AddColumn(part.to, values[part.from:part.until], valid, int(bitOffset)+part.from)
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := right.Merge(&left); err != nil {
			t.Fatal(err)
		}
		if whole != right {
			t.Errorf("whole %+v, merged %+v", whole, right)
		}
		if want := int64(len(values) - len(kept)); whole.Nulls != want {
			t.Errorf("Nulls = %d, want %d", whole.Nulls, want)
		}
		refFloats(kept).verify(t, &whole.Sums)
		if len(kept) > 1 {
			newScored(t, kept, ratOf).verify(t)
		}
	})
}

// FuzzCheck overlays a good column with the input's bytes from some offset on.
// Nothing may panic, a checked column merges into a checked one, and a refused
// one changes nothing.
func FuzzCheck(f *testing.F) {
	f.Add([]byte{}, uint16(0))
	f.Add([]byte{1}, uint16(0))
	f.Add([]byte{0xff}, uint16(303))
	f.Add([]byte{0xff}, uint16(839))
	f.Add(bytes.Repeat([]byte{0xff}, 872), uint16(0))
	f.Add(bytes.Repeat([]byte{0}, 832), uint16(0))
	f.Add([]byte{2}, uint16(848))
	f.Fuzz(func(t *testing.T, overlay []byte, at uint16) {
		var good Column
		mustAdd(t, &good, []float64{1, -2.5, 1e300, 1e-300})
		raw, err := binary.Append(nil, binary.LittleEndian, &good)
		if err != nil {
			t.Fatal(err)
		}
		copy(raw[int(at)%len(raw):], overlay)
		var c Column
		if _, err := binary.Decode(raw, binary.LittleEndian, &c); err != nil {
			t.Fatal(err)
		}
		read(&c)
		into := good
		checked, merged := c.Check(), into.Merge(&c)
		switch {
		case checked != nil && merged == nil:
			t.Errorf("Merge took what Check refuses: %v", checked)
		case merged != nil && into != good:
			t.Errorf("Merge refused, yet changed the column: %v", merged)
		case merged == nil:
			if err := into.Check(); err != nil {
				t.Errorf("merged: %v", err)
			}
			other := c
			if err := other.Merge(&good); err != nil || other != into {
				t.Errorf("Merge does not commute (%v): %+v, %+v", err, other, into)
			}
		}
		// An unchecked receiver is a mistake, but not one that panics.
		_ = c.Merge(&good)
		_ = AddColumn(&c, []float64{1}, nil, 0)
		read(&c)
	})
}
