package codec

import (
	"fmt"
	"reflect"
	"sync"
)

// depthWithin looks at what an interface holds before package gob does, which would follow
// a value that contains itself until the stack ends, and the process with it.
func depthWithin(v reflect.Value, left int) error {
	if !mayRecur(v.Type()) {
		return nil
	}
	if left <= 0 {
		return fmt.Errorf("more than %d pointers, slices and maps lead to it: does the value contain itself?", MaxDepth)
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return depthWithin(v.Elem(), left-1)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := depthWithin(v.Index(i), left-1); err != nil {
				return err
			}
		}
	case reflect.Map:
		for it := v.MapRange(); it.Next(); {
			if err := depthWithin(it.Key(), left-1); err != nil {
				return err
			}
			if err := depthWithin(it.Value(), left-1); err != nil {
				return err
			}
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if err := depthWithin(v.Field(i), left); err != nil {
				return err
			}
		}
	}
	return nil
}

var recurs sync.Map // reflect.Type → bool

// mayRecur reports whether a value of the type may contain itself: the type does, or there
// is an interface in it.
func mayRecur(t reflect.Type) bool {
	if known, ok := recurs.Load(t); ok {
		return known.(bool)
	}
	recur := leadsToItself(t, map[reflect.Type]bool{})
	recurs.Store(t, recur)
	return recur
}

func leadsToItself(t reflect.Type, above map[reflect.Type]bool) bool {
	if above[t] || t.Kind() == reflect.Interface {
		return true
	}
	above[t] = true
	defer delete(above, t)
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return leadsToItself(t.Elem(), above)
	case reflect.Map:
		return leadsToItself(t.Key(), above) || leadsToItself(t.Elem(), above)
	case reflect.Struct:
		for i := range t.NumField() {
			if leadsToItself(t.Field(i).Type, above) {
				return true
			}
		}
	}
	return false
}
