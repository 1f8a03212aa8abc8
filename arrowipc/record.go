package arrowipc

import (
	"encoding/binary"
	"fmt"

	"github.com/apache/arrow/go/v15/arrow"

	"example.com/handoff/shm"
)

// A Record is columns of numbers, all of the same length, as a task's argument: it is
// a [shm.Carrier]. A column takes one of the [shm.MaxCarried] arrays, two with nulls.
// The zero value has no columns.
//
// It holds nothing of its own, as [Column]; in a worker it lives as the task's
// other views do. A task returns an [OwnedRecord].
type Record struct {
	columns []anyColumn
}

// An OwnedRecord is a Record in a task's result: whoever gets it releases it.
type OwnedRecord struct {
	record Record
	owned  []shm.Binder // OwnedViews, in the order of Carry
}

// anyColumn is a Column of any type.
type anyColumn interface {
	carry(meta []byte, arrays []shm.Binder) ([]byte, []shm.Binder)
	own(arrays []shm.Binder) []shm.Binder
	array() (arrow.Array, error)
}

// RecordOf is arrays whose buffers lie in a's arena as a Record; nothing is copied.
// Errors are those of [ColumnOf].
func RecordOf(a *Allocator, arrays []arrow.Array) (r Record, err error) {
	for i, arr := range arrays {
		dtype, ok := DTypeOf(arr.DataType())
		if !ok {
			return Record{}, fmt.Errorf("arrowipc: column %d: %w: the array holds %v", i, ErrType, arr.DataType())
		}
		c, err := makers[dtype].of(a, arr)
		if err != nil {
			return Record{}, fmt.Errorf("arrowipc: column %d: %w", i, err)
		}
		r.columns = append(r.columns, c)
	}
	return r, nil
}

// AddColumn adds a column.
func AddColumn[T shm.Element](r *Record, c Column[T]) { r.columns = append(r.columns, typed[T]{c}) }

// Arrays are the columns as Arrow arrays over the same memory, which they hold until
// the last reference to each is released, also past r's Release. The caller releases
// them: in a task before its function returns, as nothing holds an argument longer.
func (r Record) Arrays() (arrays []arrow.Array, err error) {
	for i, c := range r.columns {
		arr, err := c.array()
		if err != nil {
			for _, a := range arrays {
				a.Release()
			}
			return nil, fmt.Errorf("column %d: %w", i, err)
		}
		arrays = append(arrays, arr)
	}
	return arrays, nil
}

// Own is r with views of its own, as [shm.View.Own] makes them: what a task returns of
// columns that it has made in its arena.
func (r Record) Own() OwnedRecord {
	owned := OwnedRecord{record: r}
	for _, c := range r.columns {
		owned.owned = c.own(owned.owned)
	}
	return owned
}

// Record borrows from r: it is dead once r was released.
func (r OwnedRecord) Record() Record { return r.record }

// Release releases r's views. Their memory goes back when the last of the Record's
// Arrays is released too.
func (r OwnedRecord) Release() {
	for _, v := range r.owned {
		v.(interface{ Release() }).Release()
	}
}

// Carry implements [shm.Carrier].
func (r *OwnedRecord) Carry(meta []byte) (_ []byte, arrays []shm.Binder, err error) {
	meta, _, err = r.record.Carry(meta)
	return meta, r.owned, err
}

// Receive implements [shm.Carrier]. The error wraps [ErrCorrupt].
func (r *OwnedRecord) Receive(meta []byte, arrays []shm.Binder) error {
	r.owned = arrays
	return r.record.Receive(meta, arrays)
}

// The meta bytes of a Record are for each column, little-endian:
//
//	0 dtype · 1 bit offset · 2 whether validity follows the values · 8 elements · 16 nulls
const columnMeta = 24

// Carry implements [shm.Carrier].
func (r *Record) Carry(meta []byte) (_ []byte, arrays []shm.Binder, err error) {
	for _, c := range r.columns {
		meta, arrays = c.carry(meta, arrays)
	}
	return meta, arrays, nil
}

// Receive implements [shm.Carrier]. The error wraps [ErrCorrupt].
func (r *Record) Receive(meta []byte, arrays []shm.Binder) error {
	for ; len(meta) >= columnMeta; meta = meta[columnMeta:] {
		m, ok := makers[shm.DType(meta[0])]
		if !ok {
			return fmt.Errorf("arrowipc: %w: column %d is of dtype %d", ErrCorrupt, len(r.columns), meta[0])
		}
		c, rest, err := m.receive(meta[:columnMeta], arrays)
		if err != nil {
			return fmt.Errorf("column %d: %w", len(r.columns), err)
		}
		r.columns, arrays = append(r.columns, c), rest
	}
	if len(meta) != 0 || len(arrays) != 0 {
		return fmt.Errorf("arrowipc: %w: a record with %d bytes and %d arrays too many", ErrCorrupt, len(meta), len(arrays))
	}
	return nil
}

// typed is a Column among others.
type typed[T shm.Element] struct{ Column[T] }

func (c typed[T]) array() (arrow.Array, error) { return ArrayOf(c.Column, nil) }

func (c typed[T]) own(arrays []shm.Binder) []shm.Binder {
	values := c.Values.Own()
	arrays = append(arrays, &values)
	if c.Nulls > 0 {
		valid := c.Valid.Own()
		arrays = append(arrays, &valid)
	}
	return arrays
}

func (c typed[T]) carry(meta []byte, arrays []shm.Binder) ([]byte, []shm.Binder) {
	valid := byte(0)
	arrays = append(arrays, &c.Values)
	if c.Nulls > 0 {
		valid, arrays = 1, append(arrays, &c.Valid)
	}
	meta = append(meta, byte(shm.DTypeOf[T]()), byte(c.BitOffset), valid, 0, 0, 0, 0, 0)
	meta = binary.LittleEndian.AppendUint64(meta, uint64(c.Len))
	return binary.LittleEndian.AppendUint64(meta, uint64(c.Nulls)), arrays
}

func receive[T shm.Element](meta []byte, arrays []shm.Binder) (_ anyColumn, rest []shm.Binder, err error) {
	c := Column[T]{BitOffset: int64(meta[1]), Len: int64(binary.LittleEndian.Uint64(meta[8:])), Nulls: int64(binary.LittleEndian.Uint64(meta[16:]))}
	var ok bool
	c.Values, ok = first[T](&arrays)
	if meta[2] != 0 && ok {
		c.Valid, ok = first[byte](&arrays)
	}
	if !ok {
		return nil, nil, fmt.Errorf("arrowipc: %w: an array of %v is missing or of another type", ErrCorrupt, shm.DTypeOf[T]())
	}
	return typed[T]{c}, arrays, c.check()
}

// first is the first of the arrays, a View or borrowed from an OwnedView.
func first[T shm.Element](arrays *[]shm.Binder) (v shm.View[T], ok bool) {
	if len(*arrays) == 0 {
		return v, false
	}
	first := (*arrays)[0]
	*arrays = (*arrays)[1:]
	switch first := first.(type) {
	case *shm.View[T]:
		return *first, true
	case *shm.OwnedView[T]:
		return first.View(), true
	}
	return v, false
}

type maker struct {
	of      func(*Allocator, arrow.Array) (anyColumn, error)
	receive func(meta []byte, arrays []shm.Binder) (anyColumn, []shm.Binder, error)
}

func makerOf[T shm.Element]() maker {
	return maker{func(a *Allocator, arr arrow.Array) (anyColumn, error) {
		c, err := ColumnOf[T](a, arr)
		return typed[T]{c}, err
	}, receive[T]}
}

var makers = map[shm.DType]maker{
	shm.Int8: makerOf[int8](), shm.Int16: makerOf[int16](), shm.Int32: makerOf[int32](), shm.Int64: makerOf[int64](),
	shm.Uint8: makerOf[uint8](), shm.Uint16: makerOf[uint16](), shm.Uint32: makerOf[uint32](), shm.Uint64: makerOf[uint64](),
	shm.Float32: makerOf[float32](), shm.Float64: makerOf[float64](),
}
