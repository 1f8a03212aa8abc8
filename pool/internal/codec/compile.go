package codec

import (
	"fmt"
	"reflect"

	"example.com/handoff/shm"
)

// unrolled is the longest array whose elements become ops of their own, unless the node has
// maxUnrolled ops already. They are faster than a loop: see BenchmarkArray.
const (
	unrolled    = 16
	maxUnrolled = 256
)

// A compiler makes the ops of one node. paths are of the type, for errors; fields name the
// op within the node.
type compiler struct {
	*Plan
	node *node
}

func (c compiler) add(t reflect.Type, off uintptr, path, field string) error {
	if array, ok := arrayTypes[t]; ok {
		switch {
		case !c.result && array.kind == shm.KindOwnedView:
			return fmt.Errorf("%s: %v is not possible in an argument, which the function only borrows: make it a shm.View, and hand over the OwnedView's View()", path, t)
		case c.result && array.kind != shm.KindOwnedView:
			return fmt.Errorf("%s: %v is not possible in a result, which the caller has to release: make it a shm.OwnedView, and return the array's Own()", path, t)
		}
		c.append(op{kind: opArray, typ: t, off: off, array: array.at, field: field})
		return nil
	}
	if of, ok := sharedType(t); ok {
		plan, err := SharedPlan(of)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		c.append(op{kind: opArray, typ: t, off: off, array: blockAt, shared: plan, field: field})
		return nil
	}
	if isCarrier(t) {
		if c.result && !has(t, releaseMethod) {
			return fmt.Errorf("%s: %v is a shm.Carrier without a Release method, which one in a result needs: the caller has to release its arrays", path, t)
		}
		c.append(op{kind: opCarrier, typ: t, off: off, field: field})
		return nil
	}
	if m := marshallerOf(t); m != nil {
		c.append(op{kind: opMarshal, typ: t, off: off, method: m, field: field})
		return nil
	}
	if plain(t) {
		c.run(opBytes, off, t.Size())
		return nil
	}
	switch t.Kind() {
	case reflect.Bool:
		c.run(opBools, off, 1)
		return nil
	case reflect.String:
		c.append(op{kind: opString, typ: t, off: off, field: field})
		return nil
	case reflect.Array:
		return c.addArray(t, off, path, field)
	case reflect.Struct:
		return c.addStruct(t, off, path, field)
	case reflect.Slice:
		return c.addSlice(t, off, path, field)
	case reflect.Pointer:
		return c.lead(op{kind: opPointer, typ: t, off: off, field: field}, t.Elem(), path)
	case reflect.Map:
		return c.addMap(t, off, path, field)
	case reflect.Interface:
		if t.Implements(binderType) || has(t, carryMethod) || has(t, receiveMethod) {
			return fmt.Errorf("%s: a View, Array, Carrier or Shared is not possible in an interface: %v", path, t)
		}
		c.append(op{kind: opInterface, typ: t, off: off, field: field})
		return nil
	}
	return fmt.Errorf("%s: a value of type %v has no meaning in another process", path, t)
}

func (c compiler) append(o op) { c.node.ops = append(c.node.ops, o) }

// run adds bytes to the op before, if they follow it in memory and are of the same kind.
func (c compiler) run(kind opKind, off, size uintptr) {
	if n := len(c.node.ops); n > 0 {
		if last := &c.node.ops[n-1]; last.kind == kind && last.off+last.size == off {
			last.size += size
			return
		}
	}
	if size > 0 {
		c.append(op{kind: kind, off: off, size: size})
	}
}

func (c compiler) addArray(t reflect.Type, off uintptr, path, field string) error {
	elem := t.Elem()
	switch {
	case t.Size() == 0 && pointerFree(elem):
		return nil
	case elem.Kind() == reflect.Bool && marshallerOf(elem) == nil && !isCarrier(elem):
		c.run(opBools, off, t.Size())
		return nil
	case t.Len() > unrolled || len(c.node.ops) > maxUnrolled:
		return c.lead(op{kind: opLoop, typ: t, off: off, size: elem.Size(), n: t.Len(), field: field}, elem, path+"[]")
	}
	for i := range t.Len() {
		at := fmt.Sprintf("[%d]", i)
		if err := c.add(elem, off+uintptr(i)*elem.Size(), path+at, field+at); err != nil {
			return err
		}
	}
	return nil
}

func (c compiler) addStruct(t reflect.Type, off uintptr, path, field string) error {
	if isOpaque(t) {
		return fmt.Errorf("%s: %v has unexported state and no methods to marshal it, so its package alone can copy it", path, t)
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if err := c.add(f.Type, off+f.Offset, path+"."+f.Name, c.join(field, f.Name)); err != nil {
			return err
		}
	}
	return nil
}

// join is the field of a field.
func (c compiler) join(field, name string) string {
	if c.node == c.root && field == c.field(c.typ.String()) {
		return c.field(c.typ.String() + "." + name)
	}
	return field + "." + name
}

func (c compiler) addSlice(t reflect.Type, off uintptr, path, field string) error {
	o := op{kind: opSlice, typ: t, off: off, size: t.Elem().Size(), field: field}
	switch {
	case pointerFree(t.Elem()):
		o.kind = opSliceMem
	case t.Elem().Kind() == reflect.String && marshallerOf(t.Elem()) == nil && !isCarrier(t.Elem()):
		o.kind = opStrings
	}
	return c.lead(o, t.Elem(), path+"[]")
}

func (c compiler) addMap(t reflect.Type, off uintptr, path, field string) (err error) {
	o := op{kind: opMap, typ: t, off: off, field: field}
	if o.key, err = c.to(t.Key(), path+"[key]"); err != nil {
		return err
	}
	if o.elem, err = c.to(t.Elem(), path+"[]"); err != nil {
		return err
	}
	o.of = &mapOf{path: path, fast: fastMapOf(t)}
	c.append(o)
	return nil
}

// lead adds an op that leads to values of type elem.
func (c compiler) lead(o op, elem reflect.Type, path string) (err error) {
	if o.elem, err = c.to(elem, path); err == nil {
		c.append(o)
	}
	return err
}

// to is the node of a type, which is made once: a type may lead to itself.
func (c compiler) to(t reflect.Type, path string) (*node, error) {
	if n := c.nodes[t]; n != nil {
		return n, nil
	}
	n := &node{typ: t}
	c.nodes[t] = n
	return n, compiler{c.Plan, n}.add(t, 0, path, "")
}

// refuseInMaps looks at what maps have.
func (c compiler) refuseInMaps() error {
	var err error
	c.root.reaches(func(o *op) bool {
		if o.kind != opMap {
			return false
		}
		reaches := func(is func(*op) bool) bool { return o.key.reaches(is) || o.elem.reaches(is) }
		if reaches(func(o *op) bool { return o.kind == opArray || o.kind == opCarrier }) {
			err = fmt.Errorf("%s: a View, Array, Carrier or Shared is not possible in a map: %v; make it a slice", o.of.path, o.typ)
			return true
		}
		o.of.aligned = reaches(func(o *op) bool { return o.kind == opSliceMem })
		o.of.ahead = reaches(func(o *op) bool { return o.kind == opInterface || o.kind == opMarshal && !o.method.trusted })
		return false
	})
	return err
}
