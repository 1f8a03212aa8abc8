package bench

import "reflect"

// A stamp changes one bit of a value, without making anything of it that its type can't hold.
type stamp struct {
	at *byte
	is bool
}

// set makes the bit what on says: false is what it was.
func (s *stamp) set(on bool, bit byte) {
	if s.at != nil && s.is != on {
		*s.at ^= bit
		s.is = on
	}
}

// stamps are the bits of a value that change: one near its beginning with every handoff,
// and one near its end with every round, so that a value that is stale, or torn, is told
// from the right one.
type stamps struct{ first, last stamp }

// The lowest bits: the first byte of a number is its lowest, on all platforms that there are.
const firstBit, lastBit = 1, 2

func (s *stamps) set(state int) {
	s.first.set(state&1 != 0, firstBit)
	s.last.set(state&2 != 0, lastBit)
}

// stampsOf finds them in what v, a *T, points to. Floats alone are changed where a user's
// function reads the value: an integer may be an index.
func stampsOf(v any, touch Touch) stamps {
	var s stamps
	find := func(last bool, kinds func(reflect.Kind) bool) *byte {
		return leaf(reflect.ValueOf(v).Elem(), last, mostLeafDepth, kinds)
	}
	number := func(k reflect.Kind) bool { return k > reflect.Bool && k <= reflect.Complex128 && k != reflect.Uintptr }
	float := func(k reflect.Kind) bool { return k >= reflect.Float32 && k <= reflect.Complex128 }
	if touch == TouchFunc {
		s.first.at, s.last.at = find(false, float), find(true, float)
		return s
	}
	s.first.at, s.last.at = find(false, number), find(true, number)
	if s.first.at == nil { // a bool has one bit to change
		s.first.at = find(false, func(k reflect.Kind) bool { return k == reflect.Bool })
	}
	return s
}

// mostLeafDepth bounds the search in values that are nested deeply.
const mostLeafDepth = 32

// leaf is the first, or last, number of v that a copy of v has too, whatever makes it.
func leaf(v reflect.Value, last bool, depth int, kinds func(reflect.Kind) bool) *byte {
	if depth == 0 || marshals(v.Type()) {
		return nil
	}
	parts := 0
	part := v.Index
	switch k := v.Kind(); {
	case kinds(k):
		return (*byte)(v.Addr().UnsafePointer())
	case k == reflect.Pointer && !v.IsNil():
		return leaf(v.Elem(), last, depth-1, kinds)
	case k == reflect.Slice || k == reflect.Array:
		parts = v.Len()
		if parts > 2 && dense(v.Type().Elem()) {
			parts = 2
			ends := [2]int{0, v.Len() - 1}
			part = func(i int) reflect.Value { return v.Index(ends[i]) }
		}
	case k == reflect.Struct:
		parts, part = v.NumField(), v.Field
	}
	for i := range parts {
		if last {
			i = parts - 1 - i
		}
		f := part(i)
		if v.Kind() == reflect.Struct && !v.Type().Field(i).IsExported() {
			continue
		}
		if at := leaf(f, last, depth-1, kinds); at != nil {
			return at
		}
	}
	return nil
}
