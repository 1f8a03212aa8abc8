package codec

import (
	"reflect"
	"unsafe"

	"example.com/handoff/pool/internal/wire"
)

// A mapOf says how maps of one type are encoded.
type mapOf struct {
	path    string // for errors of the plan
	fast    *fastMap
	aligned bool // entries have slices of elements without pointers, and begin at a multiple of alignBytes
	ahead   bool // entries have what is kept, whose order differs each time: the map is encoded once and kept
}

// A fastMap goes through and fills maps without reflection.
type fastMap struct {
	len  func(at unsafe.Pointer) int
	each func(e *encoder, o *op, at unsafe.Pointer) error
	fill func(d *decoder, o *op, at unsafe.Pointer, n int) (int, error)
}

// fastMaps are for the types that are common: see BenchmarkMap.
var fastMaps = func() map[reflect.Type]*fastMap {
	types := map[reflect.Type]*fastMap{}
	addFastMaps[string](types)
	addFastMaps[int](types)
	addFastMaps[int64](types)
	return types
}()

func addFastMaps[K comparable](types map[reflect.Type]*fastMap) {
	addFastMap[K, string](types)
	addFastMap[K, float64](types)
	addFastMap[K, int](types)
	addFastMap[K, int64](types)
	addFastMap[K, bool](types)
	addFastMap[K, struct{}](types)
	addFastMap[K, []float64](types)
}

// noescape holds here: keys and elements of these types are read and written, and no
// pointer to them is kept.
func addFastMap[K comparable, V any](types map[reflect.Type]*fastMap) {
	types[reflect.TypeFor[map[K]V]()] = &fastMap{
		len: func(at unsafe.Pointer) int { return len(*(*map[K]V)(at)) },
		each: func(e *encoder, o *op, at unsafe.Pointer) error {
			for k, v := range *(*map[K]V)(at) {
				if err := e.entry(o, noescape(unsafe.Pointer(&k)), noescape(unsafe.Pointer(&v))); err != nil {
					return err
				}
			}
			return nil
		},
		fill: func(d *decoder, o *op, at unsafe.Pointer, n int) (int, error) {
			m := make(map[K]V, n)
			for range n {
				var k K
				var v V
				if err := d.entry(o, noescape(unsafe.Pointer(&k)), noescape(unsafe.Pointer(&v))); err != nil {
					return 0, err
				}
				m[k] = v
			}
			*(*map[K]V)(at) = m
			return len(m), nil
		},
	}
}

// fastMapOf is for maps of a type, or nil.
func fastMapOf(t reflect.Type) *fastMap {
	return fastMaps[reflect.MapOf(t.Key(), t.Elem())]
}

func (e *encoder) mapping(o *op, at unsafe.Pointer) error {
	if o.of.ahead {
		if err := e.align(alignBytes); err != nil {
			return err
		}
	}
	if *(*unsafe.Pointer)(at) == nil {
		return e.none()
	}
	if o.of.ahead && !e.grows {
		k, err := e.keep(o, func() (kept, error) { return e.ahead(o, at) })
		if err != nil {
			return err
		}
		return e.bytes(k.bytes)
	}
	return e.entries(o, at)
}

// ahead is the encoding of a map, in memory of its own.
func (e *encoder) ahead(o *op, at unsafe.Pointer) (kept, error) {
	sub := newEncoder(e.p)
	defer sub.free()
	sub.most, sub.grows, sub.b = maxBytes-e.pos, true, []byte{}
	sub.depth, sub.inMap, sub.frames = e.depth, e.inMap, append(sub.frames, e.frames...)
	err := sub.entries(o, at)
	return kept{bytes: sub.b[:sub.pos]}, err
}

func (e *encoder) entries(o *op, at unsafe.Pointer) (err error) {
	if err := e.enter(o); err != nil {
		return err
	}
	var m reflect.Value
	var n int
	if o.of.fast != nil {
		n = o.of.fast.len(at)
	} else {
		m = reflect.NewAt(o.typ, at).Elem()
		n = m.Len()
	}
	if err := e.length(n); err != nil {
		return err
	}
	if e.b == nil && o.key.fixed && o.elem.fixed {
		e.leave()
		_, err := e.take(n * (o.key.minBytes + o.elem.minBytes))
		return err
	}
	e.push(o)
	e.at(-1)
	e.inMap++
	if o.of.fast != nil {
		err = o.of.fast.each(e, o, at)
	} else {
		k, v := reflect.New(o.key.typ), reflect.New(o.elem.typ)
		for it := m.MapRange(); err == nil && it.Next(); {
			k.Elem().SetIterKey(it)
			v.Elem().SetIterValue(it)
			err = e.entry(o, k.UnsafePointer(), v.UnsafePointer())
		}
	}
	if err != nil {
		return err
	}
	e.inMap--
	e.pop()
	e.leave()
	if o.of.aligned {
		err = e.align(alignBytes)
	}
	return err
}

func (e *encoder) entry(o *op, key, elem unsafe.Pointer) error {
	if o.of.aligned {
		if err := e.align(alignBytes); err != nil {
			return err
		}
	}
	if err := e.node(o.key, key); err != nil {
		return err
	}
	return e.node(o.elem, elem)
}

func (d *decoder) mapping(o *op, at unsafe.Pointer) error {
	if o.of.ahead {
		if err := d.align(alignBytes); err != nil {
			return err
		}
	}
	least := o.key.minBytes + o.elem.minBytes
	n, isNil, err := d.length(least)
	if err != nil || isNil {
		return err
	}
	if n > 1 && o.key.minBytes == 0 {
		return wire.ErrMalformed
	}
	if err := d.enter(o); err != nil {
		return err
	}
	d.push(o)
	d.at(-1)
	d.inMap++
	has := 0
	if o.of.fast != nil {
		has, err = o.of.fast.fill(d, o, at, n)
	} else {
		m := reflect.MakeMapWithSize(o.typ, n)
		k, v := reflect.New(o.key.typ), reflect.New(o.elem.typ)
		for i := 0; err == nil && i < n; i++ {
			k.Elem().SetZero()
			v.Elem().SetZero()
			if err = d.entry(o, k.UnsafePointer(), v.UnsafePointer()); err == nil {
				m.SetMapIndex(k.Elem(), v.Elem())
			}
		}
		*(*unsafe.Pointer)(at) = m.UnsafePointer()
		has = m.Len()
	}
	if err != nil {
		return err
	}
	d.inMap--
	d.pop()
	d.leave()
	if has != n && d.refused == nil { // a key came twice
		return wire.ErrMalformed
	}
	if o.of.aligned {
		err = d.align(alignBytes)
	}
	return err
}

func (d *decoder) entry(o *op, key, elem unsafe.Pointer) error {
	if o.of.aligned {
		if err := d.align(alignBytes); err != nil {
			return err
		}
	}
	if err := d.node(o.key, key); err != nil {
		return err
	}
	return d.node(o.elem, elem)
}
