package pool

import (
	"reflect"
	"unsafe"

	"example.com/handoff/shm"
)

// sizerOf is v, which may be an unexported field, if it is a Sizer and has an address.
func sizerOf(v reflect.Value) (Sizer, bool) {
	if !v.CanAddr() || !sizerMethods.own(v.Type()) {
		return nil, false
	}
	return reflect.NewAt(v.Type(), unsafe.Pointer(v.UnsafeAddr())).Interface().(Sizer), true
}

// bytesOf is what *v, of the codec's type, refers to.
func bytesOf[T any](c *codec, v *T) (heap, arrays int64) {
	base := unsafe.Pointer(v)
	if c.carriers { // whose methods may keep what they are given
		kept := new(T)
		*kept = *v
		base = unsafe.Pointer(kept)
	}
	count := func(b shm.Binder) {
		ref := b.Ref()
		arrays += ref.Bytes()
	}
	for i := range c.ops {
		o := &c.ops[i]
		at := unsafe.Add(base, o.off)
		switch o.kind {
		case opString:
			heap += int64(len(*(*string)(at)))
		case opArray:
			count(o.array.at(at))
		case opCarrier:
			meta, carried, err := o.carrier.at(at).Carry(nil)
			if err != nil {
				continue // who hands it over hears of it
			}
			heap += int64(len(meta))
			for _, b := range carried {
				count(b)
			}
		}
	}
	return heap, arrays
}
