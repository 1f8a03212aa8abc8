package bench

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"math"
	"reflect"
)

// A gobbed is what gob makes of an instance.
type gobbed struct {
	truth [4]uint64
	drops string
}

func isGob(strategy string) bool { return strategy == gobFresh || strategy == gobReused }

// throughGob encodes and decodes in memory, and contains what methods of the value do.
func throughGob(v any) (got any, err error) {
	defer func() {
		if why := recover(); why != nil {
			got, err = nil, fmt.Errorf("gob: panic: %v", why)
		}
	}()
	var b bytes.Buffer
	if err := gob.NewEncoder(&b).Encode(v); err != nil {
		return nil, err
	}
	got = reflect.New(reflect.TypeOf(v).Elem()).Interface()
	return got, gob.NewDecoder(&b).Decode(got)
}

// gobRefuses says why gob can't take p's values.
func (p *payload) gobRefuses() string {
	v, err := p.generate(1)
	if err != nil {
		return "" // whoever uses it says so
	}
	if _, err := throughGob(v); err != nil {
		return err.Error()
	}
	return ""
}

// byGob learns what arrives by gob, for all states of the stamps. Gob drops unexported
// fields, that a slice or map is empty and not nil, pointers to zero, and the sign of a field
// that is −0.
func (in *instance) byGob() (*gobbed, error) {
	if in.gobbed != nil {
		return in.gobbed, nil
	}
	g := &gobbed{truth: in.truth}
	if !gobKeeps(reflect.ValueOf(in.v).Elem(), false) {
		defer in.stamps.set(0)
		for state := range g.truth {
			in.stamps.set(state)
			got, err := throughGob(in.v)
			if err == nil {
				g.truth[state], err = in.p.touch.of(got, in.touch)
			}
			if err != nil {
				return nil, err
			}
			if state == 0 {
				g.drops = gobDrops(reflect.ValueOf(in.v).Elem(), reflect.ValueOf(got).Elem(), short(in.p.typ), mostLeafDepth)
			}
		}
		if g.drops == "" && g.truth != in.truth {
			g.drops = "gob changes the value"
		}
	}
	in.gobbed = g
	return g, nil
}

// gobKeeps reports whether it is plain that gob drops nothing of v; inStruct is for a field.
func gobKeeps(v reflect.Value, inStruct bool) bool {
	t := v.Type()
	if marshals(t) {
		return false
	}
	all := func(n int, part func(i int) reflect.Value, inStruct bool) bool {
		for i := range n {
			if !gobKeeps(part(i), inStruct) {
				return false
			}
		}
		return true
	}
	switch v.Kind() {
	case reflect.Slice:
		if v.Len() == 0 {
			return inStruct && v.IsNil()
		}
		return numbersOnly(t.Elem()) || all(v.Len(), v.Index, false)
	case reflect.Array:
		return all(v.Len(), v.Index, false)
	case reflect.Map:
		if v.Len() == 0 {
			return inStruct && v.IsNil()
		}
		for it := v.MapRange(); it.Next(); {
			if !gobKeeps(it.Key(), false) || !gobKeeps(it.Value(), false) {
				return false
			}
		}
		return true
	case reflect.Struct:
		for i := range t.NumField() {
			if !t.Field(i).IsExported() {
				return false
			}
		}
		return all(v.NumField(), v.Field, true)
	case reflect.Pointer, reflect.Interface:
		return false
	case reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return !inStruct || !negativeZero(v)
	}
	return true
}

// numbersOnly reports whether a t is numbers or arrays of these, which gob sends as they are.
func numbersOnly(t reflect.Type) bool {
	if t.Kind() == reflect.Array && !marshals(t) {
		return numbersOnly(t.Elem())
	}
	return t.Kind() != reflect.Struct && dense(t)
}

// negativeZero reports whether gob takes v for a zero that it need not send, though it has a sign.
func negativeZero(v reflect.Value) bool {
	if k := v.Kind(); k == reflect.Float32 || k == reflect.Float64 {
		return v.Float() == 0 && math.Signbit(v.Float())
	}
	c := v.Complex()
	return c == 0 && (math.Signbit(real(c)) || math.Signbit(imag(c)))
}

// gobDrops says what is the first thing in sent that got lacks; "" if nothing is found.
func gobDrops(sent, got reflect.Value, path string, depth int) string {
	if depth == 0 || marshals(sent.Type()) {
		return ""
	}
	first := func(n int, part func(v reflect.Value, i int) reflect.Value, step func(i int) string) string {
		for i := range n {
			if why := gobDrops(part(sent, i), part(got, i), path+step(i), depth-1); why != "" {
				return why
			}
		}
		return ""
	}
	switch sent.Kind() {
	case reflect.Slice, reflect.Map:
		switch {
		case sent.Len() == 0 && sent.IsNil() != got.IsNil():
			return "gob drops whether " + path + " is empty or nil"
		case sent.Len() != got.Len() || sent.Kind() == reflect.Map || numbersOnly(sent.Type().Elem()):
			return ""
		}
		return first(sent.Len(), reflect.Value.Index, func(i int) string { return fmt.Sprintf("[%d]", i) })
	case reflect.Array:
		return first(sent.Len(), reflect.Value.Index, func(i int) string { return fmt.Sprintf("[%d]", i) })
	case reflect.Struct:
		t := sent.Type()
		for i := range t.NumField() {
			if f := t.Field(i); !f.IsExported() && f.Name != "_" && !sent.Field(i).IsZero() {
				return "gob drops " + path + "." + f.Name + ", which is unexported"
			}
		}
		return first(t.NumField(), reflect.Value.Field, func(i int) string { return "." + t.Field(i).Name })
	case reflect.Pointer, reflect.Interface:
		switch {
		case sent.IsNil():
			return ""
		case got.IsNil():
			return "gob drops that " + path + " points to a zero value"
		case sent.Elem().Type() != got.Elem().Type():
			return ""
		}
		return gobDrops(sent.Elem(), got.Elem(), path, depth-1)
	case reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		if negativeZero(sent) && !negativeZero(got) {
			return "gob drops the sign of " + path + ", which is −0"
		}
	}
	return ""
}
