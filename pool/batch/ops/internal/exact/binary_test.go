package exact

import (
	"bytes"
	"errors"
	"math"
	"testing"
)

// Every column that can be is read back as it was, and its bytes are few.
func TestBinary(t *testing.T) {
	var columns []Column
	add := func(c Column) { columns = append(columns, c) }
	for name := range generators {
		var c Column
		mustAdd(t, &c, generate(name, 3, 100))
		add(c)
	}
	for _, values := range [][]float64{
		nil, {0}, {math.Copysign(0, -1)}, {-1}, {1}, {math.MaxFloat64}, {-math.MaxFloat64}, {-math.SmallestNonzeroFloat64},
		{math.NaN()}, {math.Inf(1), 2}, {math.Inf(-1), -3}, {1, -1}, {math.MaxFloat64, -math.SmallestNonzeroFloat64},
	} {
		var c Column
		mustAdd(t, &c, values)
		add(c)
	}
	var ints, nulls Column
	mustAdd(t, &ints, []int64{math.MinInt64, -1, 7})
	add(ints)
	if err := AddColumn(&nulls, []uint8{1, 2, 3}, []byte{2}, 0); err != nil {
		t.Fatal(err)
	}
	add(nulls)
	for _, want := range columns {
		b, err := want.AppendBinary([]byte("before"))
		if err != nil || !bytes.HasPrefix(b, []byte("before")) {
			t.Fatalf("AppendBinary: %q, %v", b, err)
		}
		b = b[len("before"):]
		got := nulls // to be overwritten
		if err := got.UnmarshalBinary(b); err != nil || got != want {
			t.Errorf("%+v: read back %+v, %v", want, got, err)
		}
		kept := got
		for n := range b {
			if err := got.UnmarshalBinary(b[:n]); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%d bytes of %d: %v, want ErrCorrupt", n, len(b), err)
			}
		}
		if err := got.UnmarshalBinary(append(b, 0)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("a byte too many: %v, want ErrCorrupt", err)
		}
		if got != kept {
			t.Error("refused bytes changed the column")
		}
	}
	var one Column
	mustAdd(t, &one, []float64{1})
	if b, _ := one.AppendBinary(nil); len(b) > 60 {
		t.Errorf("the sums of one number take %d bytes", len(b))
	}
}

// Whatever the bytes are, they are refused with ErrCorrupt and change nothing, or are
// a column that passes Check, merges, and is written and read back as itself.
func FuzzUnmarshalBinary(f *testing.F) {
	var ints, nulls Column
	if err := AddColumn(&ints, []int64{math.MinInt64, -1, 7}, nil, 0); err != nil {
		f.Fatal(err)
	}
	if err := AddColumn(&nulls, []float32{1, -2, float32(math.NaN())}, []byte{6}, 0); err != nil {
		f.Fatal(err)
	}
	for _, c := range []Column{{}, ints, nulls} {
		b, _ := c.AppendBinary(nil)
		f.Add(b)
		f.Add(b[:len(b)-1])
	}
	f.Add(bytes.Repeat([]byte{0xff}, 80))
	f.Add([]byte{1, 0, 0, 0, 0, 3, 22: 0, 5, 4, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		c := ints
		if err := c.UnmarshalBinary(b); err != nil {
			if !errors.Is(err, ErrCorrupt) || c != ints {
				t.Fatalf("refused with %v, column changed: %v", err, c != ints)
			}
			return
		}
		if err := c.Check(); err != nil {
			t.Fatalf("accepted: %v", err)
		}
		read(&c)
		again, err := c.AppendBinary(nil)
		if err != nil {
			t.Fatal(err)
		}
		var back, sum Column
		if err := back.UnmarshalBinary(again); err != nil || back != c {
			t.Fatalf("read back %+v of %+v: %v", back, c, err)
		}
		if err := sum.Merge(&c); err != nil || sum != c {
			t.Fatalf("merged into nothing %+v, of %+v: %v", sum, c, err)
		}
	})
}
