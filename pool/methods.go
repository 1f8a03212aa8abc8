package pool

import (
	"reflect"

	"example.com/handoff/shm"
)

// A methods is the methods, each as an interface of its own or together, by which
// values of a type are handed over or measured, and not field by field.
type methods []reflect.Type

var (
	binderMethods  = methods{reflect.TypeFor[shm.Binder]()}
	carrierMethods = methods{
		reflect.TypeFor[interface {
			Carry([]byte) ([]byte, []shm.Binder, error)
		}](),
		reflect.TypeFor[interface {
			Receive([]byte, []shm.Binder) error
		}](),
	}
)

// of reports whether t, or a pointer to it, has some of m, and all.
func (m methods) of(t reflect.Type) (some, all bool) {
	pt, all := reflect.PointerTo(t), true
	for _, method := range m {
		has := t.Implements(method) || pt.Implements(method)
		some, all = some || has, all && has
	}
	return some, all
}

// own reports whether t has all of m, and they are about all that is in a t. A struct
// that embeds a type with some of them beside other fields has promoted ones, which
// know nothing of the other fields; it is walked, even where it overrides them: the
// two cannot be told apart. One that embeds nothing else is what its field is.
func (m methods) own(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer || t.Kind() == reflect.Interface {
		return false
	}
	if _, all := m.of(t); !all {
		return false
	}
	if t.Kind() != reflect.Struct {
		return true
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if some, all := m.of(f.Type); f.Anonymous && some {
			return t.NumField() == 1 && (!all || m.own(f.Type))
		}
	}
	return true
}

// isCarrier reports whether a value of type t crosses by its methods.
func isCarrier(t reflect.Type) bool { return carrierMethods.own(t) }

// isArray reports whether a value of type t is a View or Array.
func isArray(t reflect.Type) bool { return binderMethods.own(t) }
