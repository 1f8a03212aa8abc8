package exact

import (
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

// The doc comment of the package gives these sizes; nothing in them may point.
func TestLayout(t *testing.T) {
	var plain func(reflect.Type) uintptr
	plain = func(typ reflect.Type) uintptr {
		switch typ.Kind() {
		case reflect.Int64, reflect.Uint64:
			return 8
		case reflect.Array:
			return uintptr(typ.Len()) * plain(typ.Elem())
		case reflect.Struct:
			var size uintptr
			for f := range typ.Fields() {
				size += plain(f.Type)
			}
			return size
		}
		t.Errorf("%v is not of fixed size", typ)
		return 0
	}
	for _, c := range []struct {
		typ  reflect.Type
		size uintptr
	}{
		{reflect.TypeFor[Sums](), 840},
		{reflect.TypeFor[MinMax](), 24},
		{reflect.TypeFor[Column](), 872},
	} {
		if got := plain(c.typ); got != c.size || c.typ.Size() != c.size {
			t.Errorf("%v: fields take %d bytes of %d, want %d", c.typ, got, c.typ.Size(), c.size)
		}
	}
}

func TestBitmap(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 17))
	densities := []int{0, 1, 50, 99, 100} // per cent valid
	for bitOffset := range 18 {
		for _, n := range []int{0, 1, 2, 7, 8, 9, 15, 16, 17, 55, 56, 57, 63, 64, 65, 71, 127, 128, 129, 300} {
			for _, density := range densities {
				// Bits around the range are random, so that reading them shows.
				valid := make([]byte, (bitOffset+n+7)/8+r.IntN(3))
				for i := range valid {
					valid[i] = byte(r.Uint32())
				}
				values, kept := make([]int64, n), []int64{}
				for i := range values {
					values[i] = int64(r.Uint64())
					bit := bitOffset + i
					valid[bit/8] &^= 1 << (bit % 8)
					if r.IntN(100) < density {
						valid[bit/8] |= 1 << (bit % 8)
						kept = append(kept, values[i])
					}
				}
				if len(valid) == 0 {
					continue // means all valid
				}
				var got, want Column
				if err := AddColumn(&got, values, valid, bitOffset); err != nil {
					t.Fatal(err)
				}
				mustAdd(t, &want, kept)
				want.Nulls = int64(n - len(kept))
				if got != want {
					t.Fatalf("offset %d, n %d: got %+v, want %+v", bitOffset, n, got, want)
				}
			}
		}
	}
}

func TestBitmapOfFloats(t *testing.T) {
	values := generate("any bits", 1, 1000)
	valid := make([]byte, 126)
	var kept []float64
	for i := range values {
		if i%3 != 0 {
			valid[(i+3)/8] |= 1 << ((i + 3) % 8)
			kept = append(kept, values[i])
		} else {
			values[i] = math.NaN() // what lies under a null does not matter
		}
	}
	var got, want Column
	if err := AddColumn(&got, values, valid, 3); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, &want, kept)
	want.Nulls = int64(len(values) - len(kept))
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAddErrors(t *testing.T) {
	var ints, full Column
	mustAdd(t, &ints, []int8{1})
	full.Nulls = math.MaxInt64
	for _, c := range []struct {
		name string
		to   Column
		add  func(*Column) error
		want error
	}{
		{"short bitmap", Column{}, func(c *Column) error { return AddColumn(c, make([]int8, 9), []byte{1}, 0) }, ErrBitmap},
		{"bitmap ends before the offset", Column{}, func(c *Column) error { return AddColumn(c, []int8{}, []byte{1}, 9) }, ErrBitmap},
		{"offset moves past the bitmap", Column{}, func(c *Column) error { return AddColumn(c, make([]int8, 8), []byte{1}, 1) }, ErrBitmap},
		{"huge offset", Column{}, func(c *Column) error { return AddColumn(c, make([]int8, 8), []byte{1}, math.MaxInt) }, ErrBitmap},
		{"negative offset", Column{}, func(c *Column) error { return AddColumn(c, make([]int8, 1), []byte{1}, -1) }, ErrBitmap},
		{"short bitmap for sums", Column{}, func(c *Column) error { return AddSums(&c.Sums, make([]int8, 9), []byte{1}, 0) }, ErrBitmap},
		{"floats into integers", ints, func(c *Column) error { return AddColumn(c, []float32{1}, nil, 0) }, ErrKind},
		{"unsigned into signed", ints, func(c *Column) error { return AddColumn(c, []uint8{1}, nil, 0) }, ErrKind},
		{"wider integers", ints, func(c *Column) error { return AddColumn(c, []int64{1}, nil, 0) }, nil},
		{"only nulls", ints, func(c *Column) error { return c.Merge(&Column{Nulls: 3}) }, nil},
		{"too many rows", full, func(c *Column) error { return AddColumn(c, []int8{1}, nil, 0) }, ErrTooMany},
		{"too many merged", full, func(c *Column) error { return c.Merge(&ints) }, ErrTooMany},
		{"empty into full", full, func(c *Column) error { return c.Merge(&Column{}) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := c.to
			err := c.add(&got)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if err != nil && got != c.to {
				t.Error("an error changed the column")
			}
		})
	}
}

func TestMinMax(t *testing.T) {
	nan, inf, negZero := math.NaN(), math.Inf(1), math.Copysign(0, -1)
	for _, c := range []struct {
		values   []float64
		min, max float64
	}{
		{[]float64{3, 1, 2}, 1, 3},
		{[]float64{0, negZero, 0}, negZero, 0},
		{[]float64{negZero}, negZero, negZero},
		{[]float64{1, nan, 2}, nan, nan},
		{[]float64{math.Copysign(nan, -1), -inf}, nan, nan},
		{[]float64{inf, 1}, 1, inf},
		{[]float64{inf, -inf}, -inf, inf},
		{[]float64{inf}, inf, inf},
	} {
		var whole, merged Column
		mustAdd(t, &whole, c.values)
		for _, v := range c.values {
			var one Column
			mustAdd(t, &one, []float64{v})
			if err := merged.Merge(&one); err != nil {
				t.Fatal(err)
			}
		}
		if whole != merged {
			t.Errorf("%v: whole %+v, merged %+v", c.values, whole.Range, merged.Range)
		}
		lo, hi, ok := whole.Range.Float64()
		if !ok || math.Float64bits(lo) != math.Float64bits(c.min) || math.Float64bits(hi) != math.Float64bits(c.max) {
			t.Errorf("%v: got %v, %v, %v", c.values, lo, hi, ok)
		}
		if mean, ok := whole.Mean(); !ok || len(c.values) == 1 && math.Float64bits(mean) != math.Float64bits(c.values[0]) {
			t.Errorf("%v: mean %v, %v", c.values, mean, ok)
		}
	}

	var signed, unsigned, none Column
	mustAdd(t, &signed, []int64{1, math.MinInt64, math.MaxInt64})
	mustAdd(t, &unsigned, []uint64{1, math.MaxUint64})
	if lo, hi, ok := signed.Range.Int64(); lo != math.MinInt64 || hi != math.MaxInt64 || !ok {
		t.Errorf("signed: %v, %v, %v", lo, hi, ok)
	}
	if lo, hi, ok := unsigned.Range.Uint64(); lo != 1 || hi != math.MaxUint64 || !ok {
		t.Errorf("unsigned: %v, %v, %v", lo, hi, ok)
	}
	if _, _, ok := unsigned.Range.Int64(); ok {
		t.Error("unsigned range read as signed")
	}
	if _, _, ok := none.Range.Float64(); ok {
		t.Error("empty range has values")
	}
	if err := signed.Range.Merge(&unsigned.Range); !errors.Is(err, ErrKind) {
		t.Errorf("signed and unsigned: %v, want ErrKind", err)
	}
	if err := none.Range.Merge(&signed.Range); err != nil || none.Range != signed.Range {
		t.Errorf("into empty: %v", err)
	}
}
