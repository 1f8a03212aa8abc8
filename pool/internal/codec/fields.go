package codec

import "reflect"

// A Field says how a part of a value travels.
type Field struct {
	Path string // "In.Rows[].Name"
	Type reflect.Type
	Way  string // one of the constants below
}

// The ways in which a field travels.
const (
	Copied          = "copied"
	ByReference     = "by reference"
	ByGobEncode     = "by GobEncode"
	ByMarshalBinary = "by MarshalBinary"
	ByGob           = "gob (interface)"
	AsAbove         = "as above" // a type that was listed
)

// Fields says how the fields of a value travel, in their order, and what is in them where
// that is not copied as a whole.
func (p *Plan) Fields() []Field {
	l := fieldLister{p, map[reflect.Type]bool{}, nil}
	if path := p.typ.String(); p.typ.Kind() == reflect.Struct && l.way(p.typ) == "" {
		l.listStruct(p.typ, path)
	} else {
		l.list(p.typ, path)
	}
	return l.fields
}

type fieldLister struct {
	*Plan
	listed map[reflect.Type]bool
	fields []Field
}

// way is how a type travels that is not looked into; else "".
func (l *fieldLister) way(t reflect.Type) string {
	if _, ok := arrayTypes[t]; ok || isCarrier(t) {
		return ByReference
	}
	switch m := marshallerOf(t); {
	case m != nil && m.gob:
		return ByGobEncode
	case m != nil:
		return ByMarshalBinary
	case t.Kind() == reflect.Interface:
		return ByGob
	}
	return ""
}

func (l *fieldLister) list(t reflect.Type, path string) {
	way := l.way(t)
	switch {
	case way != "":
	case l.copied(t, map[reflect.Type]bool{}):
		way = Copied
	case l.listed[t]:
		way = AsAbove
	default:
		l.listed[t] = true
		switch t.Kind() {
		case reflect.Struct:
			l.listStruct(t, path)
		case reflect.Map:
			l.list(t.Key(), path+"[key]")
			l.list(t.Elem(), path+"[]")
		case reflect.Pointer:
			l.list(t.Elem(), path)
		default:
			l.list(t.Elem(), path+"[]")
		}
		return
	}
	l.fields = append(l.fields, Field{l.field(path), t, way})
}

func (l *fieldLister) listStruct(t reflect.Type, path string) {
	for i := range t.NumField() {
		l.list(t.Field(i).Type, path+"."+t.Field(i).Name)
	}
}

// copied reports whether all that a type leads to is copied.
func (l *fieldLister) copied(t reflect.Type, seen map[reflect.Type]bool) bool {
	if seen[t] {
		return true
	}
	seen[t] = true
	if l.way(t) != "" {
		return false
	}
	switch t.Kind() {
	case reflect.Struct:
		for i := range t.NumField() {
			if !l.copied(t.Field(i).Type, seen) {
				return false
			}
		}
	case reflect.Map:
		return l.copied(t.Key(), seen) && l.copied(t.Elem(), seen)
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return l.copied(t.Elem(), seen)
	}
	return true
}
