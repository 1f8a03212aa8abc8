package shm

import "fmt"

// A DType is the type of an array's elements, under NumPy's names.
type DType uint8

// The values are part of the wire record and never change. 0 is no dtype.
const (
	Bool       DType = 1
	Int8       DType = 2
	Int16      DType = 3
	Int32      DType = 4
	Int64      DType = 5
	Uint8      DType = 6
	Uint16     DType = 7
	Uint32     DType = 8
	Uint64     DType = 9
	Float32    DType = 10
	Float64    DType = 11
	Complex64  DType = 12
	Complex128 DType = 13
)

// Element is the set of Go types that an array can hold.
type Element interface {
	bool | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | float32 | float64 | complex64 | complex128
}

// dtypes is the one table of them. code is NumPy's type string without its byte-order
// mark.
var dtypes = [...]struct {
	name, code  string
	size, align int64
	binder      func(Kind) Binder
}{
	Bool:       {"bool", "b1", 1, 1, newBinder[bool]},
	Int8:       {"int8", "i1", 1, 1, newBinder[int8]},
	Int16:      {"int16", "i2", 2, 2, newBinder[int16]},
	Int32:      {"int32", "i4", 4, 4, newBinder[int32]},
	Int64:      {"int64", "i8", 8, 8, newBinder[int64]},
	Uint8:      {"uint8", "u1", 1, 1, newBinder[uint8]},
	Uint16:     {"uint16", "u2", 2, 2, newBinder[uint16]},
	Uint32:     {"uint32", "u4", 4, 4, newBinder[uint32]},
	Uint64:     {"uint64", "u8", 8, 8, newBinder[uint64]},
	Float32:    {"float32", "f4", 4, 4, newBinder[float32]},
	Float64:    {"float64", "f8", 8, 8, newBinder[float64]},
	Complex64:  {"complex64", "c8", 8, 4, newBinder[complex64]},
	Complex128: {"complex128", "c16", 16, 8, newBinder[complex128]},
}

// Valid reports whether d is one of the dtypes above.
func (d DType) Valid() bool { return d >= Bool && int(d) < len(dtypes) }

// Size is the size of one element in bytes; 0 for an invalid dtype.
func (d DType) Size() int64 {
	if !d.Valid() {
		return 0
	}
	return dtypes[d].size
}

// String is NumPy's name for d ("float64").
func (d DType) String() string {
	if !d.Valid() {
		return fmt.Sprintf("dtype(%d)", uint8(d))
	}
	return dtypes[d].name
}

// ParseDType reads NumPy's name ("float64") or its little-endian type string
// ("<f8"; "|" and "=" where the size makes the order plain). Big-endian and
// unknown types are errors.
func ParseDType(s string) (DType, error) {
	for d := Bool; d.Valid(); d++ {
		t := dtypes[d]
		if s == t.name || s == "<"+t.code || s == "="+t.code || t.size == 1 && s == "|"+t.code {
			return d, nil
		}
		if t.size > 1 && s == ">"+t.code {
			return 0, fmt.Errorf("shm: dtype %q is big-endian, expected little-endian (%q)", s, "<"+t.code)
		}
	}
	return 0, fmt.Errorf("shm: unknown dtype %.40q, expected bool, int8…int64, uint8…uint64, float32, float64, complex64 or complex128", s)
}

// MarshalText writes NumPy's name.
func (d DType) MarshalText() ([]byte, error) {
	if !d.Valid() {
		return nil, fmt.Errorf("shm: %v is not a dtype", d)
	}
	return []byte(d.String()), nil
}

// UnmarshalText reads what [ParseDType] reads.
func (d *DType) UnmarshalText(b []byte) error {
	v, err := ParseDType(string(b))
	if err == nil {
		*d = v
	}
	return err
}

// DTypeOf is the dtype of T.
func DTypeOf[T Element]() DType {
	var zero T
	switch any(zero).(type) {
	case bool:
		return Bool
	case int8:
		return Int8
	case int16:
		return Int16
	case int32:
		return Int32
	case int64:
		return Int64
	case uint8:
		return Uint8
	case uint16:
		return Uint16
	case uint32:
		return Uint32
	case uint64:
		return Uint64
	case float32:
		return Float32
	case float64:
		return Float64
	case complex64:
		return Complex64
	default:
		return Complex128
	}
}
