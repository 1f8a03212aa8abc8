package codec

import (
	"reflect"
	"unsafe"

	"example.com/handoff/shm"
)

// An arrayType is a type that crosses as a wire ref.
type arrayType struct {
	kind shm.Kind
	at   arrayAt
}

// An arrayAt makes a pointer to such a value a Binder.
type arrayAt func(value unsafe.Pointer) shm.Binder

// arrayTypes are these types, exactly.
var arrayTypes = func() map[reflect.Type]arrayType {
	types := map[reflect.Type]arrayType{}
	addArrayTypes[bool](types)
	addArrayTypes[int8](types)
	addArrayTypes[int16](types)
	addArrayTypes[int32](types)
	addArrayTypes[int64](types)
	addArrayTypes[uint8](types)
	addArrayTypes[uint16](types)
	addArrayTypes[uint32](types)
	addArrayTypes[uint64](types)
	addArrayTypes[float32](types)
	addArrayTypes[float64](types)
	addArrayTypes[complex64](types)
	addArrayTypes[complex128](types)
	return types
}()

func addArrayTypes[E shm.Element](types map[reflect.Type]arrayType) {
	types[reflect.TypeFor[shm.View[E]]()] = arrayType{shm.KindView, func(v unsafe.Pointer) shm.Binder { return (*shm.View[E])(v) }}
	types[reflect.TypeFor[shm.OwnedView[E]]()] = arrayType{shm.KindOwnedView, func(v unsafe.Pointer) shm.Binder { return (*shm.OwnedView[E])(v) }}
	types[reflect.TypeFor[shm.Array[E]]()] = arrayType{shm.KindArray, func(v unsafe.Pointer) shm.Binder { return (*shm.Array[E])(v) }}
}

// carrierAt makes a pointer to a value of type t, which is a Carrier, one.
func carrierAt(t reflect.Type, value unsafe.Pointer) shm.Carrier {
	return reflect.NewAt(t, value).Interface().(shm.Carrier)
}
