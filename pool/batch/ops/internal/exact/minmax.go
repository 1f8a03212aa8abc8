package exact

import (
	"fmt"
	"math"
)

// Kind says how to read the words of a [MinMax].
type Kind uint64

// Narrow types are widened: an int8 is seen as KindInt64, a float32 as
// KindFloat64.
const (
	KindNone    Kind = iota // no value yet
	KindInt64               // two's complement
	KindUint64              // as is
	KindFloat64             // math.Float64bits
)

// nanBits is math.Float64bits(math.NaN()), the form in which every NaN is kept,
// so that payloads do not show.
const nanBits = 0x7ff8000000000001

// kindOf returns the kind that T widens to.
func kindOf[T Number]() Kind {
	var zero T
	switch two := zero + 2; {
	case 1/two != 0:
		return KindFloat64
	case zero-1 > zero:
		return KindUint64
	default:
		return KindInt64
	}
}

// MinMax is the least and the greatest of a multiset of numbers of one kind.
// The zero value is the empty multiset. Integers stay integers; floats follow
// IEEE minimum and maximum: a NaN makes both NaN, and -0 is below +0.
//
// The fields are exported so that the value can be written field by field; read
// them through Int64, Uint64 and Float64. A MinMax may be read by several
// goroutines, or changed by one.
type MinMax struct {
	Kind     Kind
	Min, Max uint64 // both 0 if Kind is KindNone
}

// Int64 returns the range of signed integers; false if there are none.
func (m *MinMax) Int64() (least, greatest int64, ok bool) {
	if m.Kind != KindInt64 {
		return 0, 0, false
	}
	return int64(m.Min), int64(m.Max), true
}

// Uint64 returns the range of unsigned integers; false if there are none.
func (m *MinMax) Uint64() (least, greatest uint64, ok bool) {
	if m.Kind != KindUint64 {
		return 0, 0, false
	}
	return m.Min, m.Max, true
}

// Float64 returns the range of floats; false if there are none.
func (m *MinMax) Float64() (least, greatest float64, ok bool) {
	if m.Kind != KindFloat64 {
		return 0, 0, false
	}
	return math.Float64frombits(m.Min), math.Float64frombits(m.Max), true
}

// Merge adds the multiset o to m. It commutes and associates exactly.
//
// It returns ErrCorrupt if o fails Check, ErrKind if both have values and their
// kinds differ; m is then as before.
func (m *MinMax) Merge(o *MinMax) error {
	if err := o.Check(); err != nil {
		return err
	}
	if err := m.accepts(o.Kind); err != nil {
		return err
	}
	m.merge(*o)
	return nil
}

// accepts reports ErrKind unless values of kind k may be added to m.
func (m *MinMax) accepts(k Kind) error {
	if m.Kind != k && m.Kind != KindNone && k != KindNone {
		return fmt.Errorf("%w: kind %d into kind %d", ErrKind, k, m.Kind)
	}
	return nil
}

// merge is Merge after the checks.
func (m *MinMax) merge(o MinMax) {
	switch {
	case o.Kind == KindNone:
	case m.Kind == KindNone:
		*m = o
	case m.Kind == KindInt64:
		m.Min = uint64(min(int64(m.Min), int64(o.Min)))
		m.Max = uint64(max(int64(m.Max), int64(o.Max)))
	case m.Kind == KindUint64:
		m.Min, m.Max = min(m.Min, o.Min), max(m.Max, o.Max)
	default:
		m.Min = floatWord(min(math.Float64frombits(m.Min), math.Float64frombits(o.Min)))
		m.Max = floatWord(max(math.Float64frombits(m.Max), math.Float64frombits(o.Max)))
	}
}

// addRange adds the values of b to m.
func addRange[T Number](m *MinMax, b blocks[T]) {
	var scratch [blockLen]T
	block := b.next(&scratch)
	if len(block) == 0 {
		return
	}
	least, greatest := block[0], block[0]
	for ; len(block) > 0; block = b.next(&scratch) {
		for _, v := range block {
			least, greatest = min(least, v), max(greatest, v)
		}
	}
	o := MinMax{Kind: kindOf[T]()}
	if o.Kind == KindFloat64 {
		o.Min, o.Max = floatWord(float64(least)), floatWord(float64(greatest))
	} else {
		o.Min, o.Max = uint64(least), uint64(greatest)
	}
	m.merge(o)
}

// floatWord returns the word that stands for v.
func floatWord(v float64) uint64 {
	if math.IsNaN(v) {
		return nanBits
	}
	return math.Float64bits(v)
}
