package codec

import (
	"context"
	"encoding"
	"encoding/gob"
	"fmt"
	"math/big"
	"net/netip"
	"net/url"
	"reflect"
	"time"

	"example.com/handoff/pool/internal/hook"
	"example.com/handoff/shm"
)

// methodTime bounds a method of a value's own: others' results wait for it.
const methodTime = 10 * time.Second

// contain runs a method of a value's own, over bytes that may be anybody's, within methodTime.
func contain(field string, method func() error) error {
	if err := hook.Contain(context.Background(), methodTime, method); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

var (
	carryMethod = reflect.TypeFor[interface {
		Carry([]byte) ([]byte, []shm.Binder, error)
	}]()
	receiveMethod = reflect.TypeFor[interface {
		Receive([]byte, []shm.Binder) error
	}]()
	releaseMethod         = reflect.TypeFor[interface{ Release() }]()
	gobEncodeMethod       = reflect.TypeFor[gob.GobEncoder]()
	gobDecodeMethod       = reflect.TypeFor[gob.GobDecoder]()
	marshalBinaryMethod   = reflect.TypeFor[encoding.BinaryMarshaler]()
	unmarshalBinaryMethod = reflect.TypeFor[encoding.BinaryUnmarshaler]()
)

// isCarrier reports whether a value of type t crosses by its methods.
func isCarrier(t reflect.Type) bool { return owns(t, carryMethod, receiveMethod) }

// owns reports whether a type has a pair of methods of its own. Those that a struct
// has from a type that it embeds beside other fields know nothing of these: it is walked,
// even where it overrides them, since the two cannot be told apart. A struct that embeds
// nothing else is what its field is.
func owns(t, out, in reflect.Type) bool {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface || !has(t, out) || !has(t, in) {
		return false
	}
	if t.Kind() != reflect.Struct {
		return true
	}
	for i := range t.NumField() {
		f := t.Field(i)
		outs, ins := has(f.Type, out), has(f.Type, in)
		if f.Anonymous && (outs || ins) {
			return t.NumField() == 1 && (outs != ins || owns(f.Type, out, in))
		}
	}
	return true
}

// has reports whether t, or a pointer to it, has a method.
func has(t, method reflect.Type) bool {
	return t.Implements(method) || reflect.PointerTo(t).Implements(method)
}

// A marshaller says by which methods the values of a type travel.
type marshaller struct {
	gob     bool // GobEncode and GobDecode; else MarshalBinary and UnmarshalBinary
	trusted bool // known to return, for any bytes, and to return the same again
}

// marshallerOf is nil for types without such methods of their own.
func marshallerOf(t reflect.Type) *marshaller {
	switch {
	case owns(t, gobEncodeMethod, gobDecodeMethod):
		return &marshaller{gob: true, trusted: trustedTypes[t]}
	case owns(t, marshalBinaryMethod, unmarshalBinaryMethod):
		return &marshaller{trusted: trustedTypes[t]}
	}
	return nil
}

// trustedTypes are called on the goroutine that encodes or decodes: another one costs more
// than their methods do (BenchmarkMarshaller).
var trustedTypes = map[reflect.Type]bool{
	reflect.TypeFor[time.Time]():      true,
	reflect.TypeFor[big.Int]():        true,
	reflect.TypeFor[big.Rat]():        true,
	reflect.TypeFor[big.Float]():      true,
	reflect.TypeFor[url.URL]():        true,
	reflect.TypeFor[netip.Addr]():     true,
	reflect.TypeFor[netip.AddrPort](): true,
	reflect.TypeFor[netip.Prefix]():   true,
}

// append appends what v, a pointer to the value, encodes itself as.
func (m *marshaller) append(b []byte, v any) ([]byte, error) {
	if appender, ok := v.(encoding.BinaryAppender); ok && m.trusted {
		return appender.AppendBinary(b)
	}
	var out []byte
	var err error
	if m.gob {
		out, err = v.(gob.GobEncoder).GobEncode()
	} else {
		out, err = v.(encoding.BinaryMarshaler).MarshalBinary()
	}
	return append(b, out...), err
}

// decode makes v, a pointer to a zero value, what it was encoded as. b is v's.
func (m *marshaller) decode(b []byte, v any) error {
	if m.gob && !m.appends(v) {
		return v.(gob.GobDecoder).GobDecode(b)
	}
	return v.(encoding.BinaryUnmarshaler).UnmarshalBinary(b)
}

func (m *marshaller) appends(v any) bool {
	_, ok := v.(encoding.BinaryAppender)
	return ok && m.trusted
}
