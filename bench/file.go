package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/apache/arrow/go/v15/arrow"

	"example.com/handoff/arrowipc"
	"example.com/handoff/arrowipc/files"
	"example.com/handoff/shm"
)

// fileColumns is the payload that the columns of a file are: by their types, those of one
// type in the file's order. n is rows.
type fileColumns struct {
	Int8    [][]int8
	Int16   [][]int16
	Int32   [][]int32
	Int64   [][]int64
	Uint8   [][]uint8
	Uint16  [][]uint16
	Uint32  [][]uint32
	Uint64  [][]uint64
	Float32 [][]float32
	Float64 [][]float64
}

// columnsPayload is what workers know of it. A payload of a file is made from it, or from
// that of arrays if there is one column.
var columnsPayload = NewPayload("file-columns", func(int) fileColumns { panic("no file is given") }).p

// A FileInfo says which part of a file was handed over.
type FileInfo struct {
	Rows    int             `json:"rows"`
	Columns []FileColumn    `json:"columns"`
	Skipped []SkippedColumn `json:"skipped"` // not handed over
	Cut     bool            `json:"cut"`     // a stream without its end mark: rows may be missing
}

// A FileColumn is a column that was handed over. Where it has nulls, the values in their
// places were.
type FileColumn struct {
	Name  string `json:"name"`
	Type  string `json:"type"` // a [shm.DType]
	Nulls int64  `json:"nulls"`
}

// A SkippedColumn was not handed over.
type SkippedColumn struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// notes says what of the file did not cross.
func (f *FileInfo) notes(name string) (notes []string) {
	for _, s := range f.Skipped {
		notes = append(notes, fmt.Sprintf("Column %q of %s is left out: %s.", s.Name, name, s.Why))
	}
	for _, c := range f.Columns {
		if c.Nulls > 0 {
			notes = append(notes, fmt.Sprintf("Column %q of %s has %d nulls: the values in their places are handed over, and not which they are.", c.Name, name, c.Nulls))
		}
	}
	if f.Cut {
		notes = append(notes, fmt.Sprintf("%s ends without the end mark of a stream: rows may be missing.", name))
	}
	return notes
}

// A table is the columns of a file as they are read.
type table struct {
	path    string
	name    string
	info    FileInfo
	columns []tableColumn
	rows    int64 // that are kept: the first ones
	most    int64 // to keep
}

// A tableColumn is in words, which are aligned for every type.
type tableColumn struct {
	FileColumn
	dtype shm.DType
	words []uint64
	bytes int
}

func (c *tableColumn) add(b []byte) {
	need := (c.bytes + len(b) + 7) / 8
	c.words = slices.Grow(c.words, need-len(c.words))[:need]
	copy(rawBytes(&c.words)[c.bytes:], b)
	c.bytes += len(b)
}

// readFile makes the payload of a file's columns, from as many rows as the largest size
// needs, and chooses sizes if none are given.
func (o *Options) readFile(ctx context.Context) error {
	t := &table{path: o.File, name: printable(filepath.Base(o.File)), most: math.MaxInt64, info: FileInfo{Skipped: []SkippedColumn{}}}
	if o.Progress != nil {
		o.Progress(0, 1, "read "+t.name)
	}
	if err := t.read(ctx, o.Strategies, slices.Max(append(o.Sizes, 0))); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	p := t.payload()
	sizes, err := t.sizes(p, o.Sizes)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	o.payload, o.Sizes = p, sizes
	return nil
}

// printable is a file's name that is safe to print.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, name)
}

// read reads the file to its end. It keeps what values of most bytes need; 0: all.
func (t *table) read(ctx context.Context, strategies []string, most int64) (err error) {
	run, err := shm.NewRun()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, run.Close()) }()
	arena := run.NewArena(nil)
	defer func() { err = errors.Join(err, arena.Close()) }()
	r, err := files.Open(t.path, arrowipc.NewAllocator(arena), nil)
	if err != nil {
		return err
	}
	defer r.Close()
	row := int64(0)
	for _, f := range r.Schema().Fields() {
		dtype, _ := arrowipc.DTypeOf(f.Type) // the reader gives no others
		t.columns = append(t.columns, tableColumn{FileColumn: FileColumn{Name: f.Name, Type: dtype.String()}, dtype: dtype})
		row += dtype.Size()
	}
	if most > 0 && row > 0 {
		t.most = most/row + 1
	}
	for {
		rec, err := r.Next(ctx)
		if err == io.EOF {
			return t.end(r)
		}
		if err == nil {
			t.take(rec)
			err = checkMemory(strategies, t.rows*row)
		}
		if err != nil {
			return err
		}
	}
}

// take copies a record out of the arena, and releases it.
func (t *table) take(rec arrow.Record) {
	defer rec.Release()
	keep := min(rec.NumRows(), t.most-t.rows)
	for i, col := range rec.Columns() {
		c := &t.columns[i]
		data, size := col.Data(), int(c.dtype.Size())
		begin := data.Offset() * size
		c.add(data.Buffers()[1].Bytes()[begin : begin+int(keep)*size])
		c.Nulls += int64(col.NullN())
	}
	t.rows += keep
	t.info.Rows += int(rec.NumRows())
}

// end takes over what is known at the end of the file: columns may have turned out to be text.
func (t *table) end(r *files.Reader) error {
	t.info.Cut = r.Cut()
	text := map[int]bool{}
	for _, s := range r.Skipped() {
		t.info.Skipped = append(t.info.Skipped, SkippedColumn{s.Name, s.Why})
		text[s.Field] = true
	}
	var kept []tableColumn
	for i, c := range t.columns {
		if !text[i] {
			kept, t.info.Columns = append(kept, c), append(t.info.Columns, c.FileColumn)
		}
	}
	switch t.columns = kept; {
	case len(kept) == 0:
		return t.noColumn()
	case t.rows == 0:
		return fmt.Errorf("%s: it has columns and no rows, expected at least one", t.path)
	}
	return nil
}

func (t *table) noColumn() error {
	const most = 3
	why := ""
	for i, s := range t.info.Skipped {
		if i == most {
			why += fmt.Sprintf("; and %d more", len(t.info.Skipped)-most)
			break
		}
		why += fmt.Sprintf("; column %q is %s", s.Name, s.Why)
	}
	return fmt.Errorf("%s: no column holds numbers%s", t.path, why)
}

// payload is that of the table's first rows. Its values are over the table's memory.
func (t *table) payload() *payload {
	p := *columnsPayload
	if len(t.columns) == 1 {
		p = *arrays[t.columns[0].dtype]
	}
	p.kind, p.name, p.file, p.most = p.name, t.name, &t.info, int(t.rows)
	var counts []int
	var order []*tableColumn // as the payload has them
	for _, c := range p.columns {
		n := 0
		for i := range t.columns {
			if x := &t.columns[i]; x.dtype == c.dtype {
				n, order = n+1, append(order, x)
			}
		}
		if n == 0 {
			n = -1
		}
		counts = append(counts, n)
	}
	p.gen = func(n int) any {
		var parts []buffer
		for _, c := range order {
			parts = append(parts, buffer{bytes: rawBytes(&c.words)[:n*int(c.dtype.Size())]})
		}
		return assemble(p.typ, p.columns, counts, parts)
	}
	return &p
}

// sizes are those that are asked for if the file has them, or a ladder up to the whole file.
func (t *table) sizes(p *payload, want []int64) ([]int64, error) {
	one, err := p.size(1)
	if err != nil {
		return nil, err
	}
	all, err := p.size(p.most)
	if err != nil {
		return nil, err
	}
	if len(want) > 0 {
		switch largest := want[len(want)-1]; {
		case largest > all && int(t.rows) == t.info.Rows:
			return nil, fmt.Errorf("%s: %s is too large: its columns of numbers take %s in %d rows", t.path, FormatSize(largest), FormatSize(all), t.rows)
		case want[0] < one:
			return nil, fmt.Errorf("%s: %s is too small: its columns of numbers take %s in the first row", t.path, FormatSize(want[0]), FormatSize(one))
		}
		return want, nil
	}
	const step, tooNear = 4, 0.75
	ladder := slices.Clone(defaultSizes)
	for next := ladder[len(ladder)-1] * step; next < all; next *= step {
		ladder = append(ladder, next)
	}
	var sizes []int64
	for _, bytes := range ladder {
		if bytes < one || float64(bytes) > tooNear*float64(all) {
			continue
		}
		found, err := p.find(bytes)
		if err != nil {
			return nil, err
		}
		sizes = append(sizes, found.bytes)
	}
	return slices.Compact(append(sizes, all)), nil
}

// goName is a key of benchmark names.
func (f *FileInfo) goName(name string) string {
	if f == nil {
		return ""
	}
	return "/file=" + strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || r == '/' {
			return '_'
		}
		return r
	}, cmp.Or(name, "_"))
}

// long is a payload in words, with the columns of a file.
func (p PayloadInfo) long() string {
	text := fmt.Sprintf("%v of type %s, touch %s", p, p.Type, p.Touch)
	if p.File == nil {
		return text
	}
	var columns []string
	for _, c := range p.File.Columns {
		columns = append(columns, fmt.Sprintf("%q %s", c.Name, c.Type))
	}
	return fmt.Sprintf("%s, %d rows of %s", text, p.File.Rows, strings.Join(columns, ", "))
}
