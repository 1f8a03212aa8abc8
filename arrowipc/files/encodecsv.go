package files

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"math"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/bitutil"
)

// csvHeader is the line of names. The first name is quoted too where the
// beginning of the file would be taken for something else: a blank line, a byte
// order mark, an Arrow file.
func csvHeader(schema *arrow.Schema) ([]byte, error) {
	var names []string
	for _, f := range schema.Fields() {
		names = append(names, f.Name)
	}
	var line bytes.Buffer
	w := csv.NewWriter(&line)
	w.Write(names)
	w.Flush()
	if err := w.Error(); err != nil {
		return nil, err
	}
	first, b := names[0], line.Bytes()
	if b[0] != '"' && (first == "" && len(names) == 1 || !isPlain(first)) {
		b = append([]byte(`"`+first+`"`), b[len(first):]...)
	}
	return b, nil
}

func isPlain(name string) bool {
	for i := range len(name) {
		if name[i] < ' ' || name[i] > '~' {
			return false
		}
	}
	return true
}

// AppendCSV appends the rows of rec, whose columns are of the types that a Reader
// hands out, to dst: the block of an Encoder for CSV. It keeps nothing, so workers
// may call it on arrays in shared memory and hand over the bytes.
//
// Lines end with "\n". A null is an empty cell, or "" in quotes where it is the
// line's only one. A number has the fewest digits that are read back as the same
// float64, with an exponent below 1e-6 and from 2^53 on. So what looks like an integer is
// that very number: the fewest digits of 2^60 without an exponent are those of another
// integer, and -0, which is written as -0.0, is none. A float32 is written as the float64 that it is: 0.1 is
// 0.10000000149011612. Integers are written whole; a Reader rounds those beyond
// ±2⁵³. The rest is NaN, +Inf and -Inf.
func AppendCSV(dst []byte, rec arrow.Record) ([]byte, error) {
	cols := make([]csvCells, rec.NumCols())
	rows := int(rec.NumRows())
	for i, arr := range rec.Columns() {
		c, err := csvCellsOf(arr)
		if err == nil && arr.Len() != rows {
			err = corruptf("%d elements in a record of %d rows", arr.Len(), rows)
		}
		if err != nil {
			return dst, fmt.Errorf("files: encode CSV: column %d %s: %w", i+1, show(rec.ColumnName(i)), err)
		}
		cols[i] = c
	}
	for row := range rows {
		for i := range cols {
			if i > 0 {
				dst = append(dst, ',')
			}
			switch c := &cols[i]; {
			case c.valid == nil || bitutil.BitIsSet(c.valid, c.off+row):
				dst = c.append(dst, row)
			case len(cols) == 1:
				dst = append(dst, `""`...)
			}
		}
		dst = append(dst, '\n')
	}
	return dst, nil
}

// csvCells is one column.
type csvCells struct {
	elements
	append func(dst []byte, i int) []byte
}

func csvCellsOf(arr arrow.Array) (c csvCells, err error) {
	if !isNumeric(arr.DataType()) {
		return c, unsupportedf("type %v is none of int8…uint64, float32, float64", arr.DataType())
	}
	if c.elements, err = elementsOf(arr); err != nil {
		return c, err
	}
	switch a := arr.(type) {
	case *array.Int8:
		c.append = signed(a.Int8Values())
	case *array.Int16:
		c.append = signed(a.Int16Values())
	case *array.Int32:
		c.append = signed(a.Int32Values())
	case *array.Int64:
		c.append = signed(a.Int64Values())
	case *array.Uint8:
		c.append = unsigned(a.Uint8Values())
	case *array.Uint16:
		c.append = unsigned(a.Uint16Values())
	case *array.Uint32:
		c.append = unsigned(a.Uint32Values())
	case *array.Uint64:
		c.append = unsigned(a.Uint64Values())
	case *array.Float32:
		c.append = float(a.Float32Values())
	case *array.Float64:
		c.append = float(a.Float64Values())
	default:
		return c, unsupportedf("an array of Go type %T", arr)
	}
	return c, nil
}

func signed[T int8 | int16 | int32 | int64](v []T) func([]byte, int) []byte {
	return func(dst []byte, i int) []byte { return strconv.AppendInt(dst, int64(v[i]), 10) }
}

func unsigned[T uint8 | uint16 | uint32 | uint64](v []T) func([]byte, int) []byte {
	return func(dst []byte, i int) []byte { return strconv.AppendUint(dst, uint64(v[i]), 10) }
}

func float[T float32 | float64](v []T) func([]byte, int) []byte {
	return func(dst []byte, i int) []byte { return appendFloat(dst, float64(v[i])) }
}

func appendFloat(dst []byte, v float64) []byte {
	a := math.Abs(v)
	if v == 0 && math.Signbit(v) {
		return append(dst, "-0.0"...)
	}
	format := byte('f')
	if v != 0 && a < 1e-6 || a >= 1<<53 {
		format = 'e'
	}
	return strconv.AppendFloat(dst, v, format, -1, 64)
}
