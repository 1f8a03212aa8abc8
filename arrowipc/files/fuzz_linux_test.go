package files

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"regexp"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/stretchr/testify/require"

	"example.com/handoff/arrowipc"
)

// readBytes reads an Arrow file or stream from memory to its end, every value of
// it, and holds records and columns to agree.
func readBytes(t testing.TB, a *arrowipc.Allocator, content []byte) error {
	in := &input{r: bytes.NewReader(content), size: int64(len(content))}
	o := &Options{ChunkRows: 5, ChunkBytes: 1 << 20}
	open := openArrowStream
	if isArrowFile(content, "") {
		open = openArrowFile
	}
	s, err := open(in, a, o)
	if err != nil {
		return err
	}
	defer s.close()
	for {
		rec, err := s.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for _, arr := range rec.Columns() {
			require.Len(t, values(t, a, arr), int(rec.NumRows()))
		}
		rec.Release()
	}
}

func FuzzOpenArrow(f *testing.F) {
	for _, opts := range [][]ipc.Option{nil, {ipc.WithLZ4()}, {ipc.WithZstd()}} {
		f.Add(fileOf(f, tiny, opts...))
		f.Add(streamOf(f, tiny, opts...))
	}
	f.Add(withoutContinuation(f, streamOf(f, tiny)))
	f.Add(treeStream(5))
	a, _ := newAllocator(f, 16<<20)
	f.Fuzz(func(t *testing.T, content []byte) {
		readBytes(t, a, content)
		if a.Live() != 0 {
			t.Fatalf("%d blocks not given back", a.Live())
		}
	})
}

// FuzzCSV compares with what encoding/csv makes of the whole file, once blanks between
// a quote and the end of a cell are gone.
func FuzzCSV(f *testing.F) {
	f.Add(readFixture(f, "small.csv"))
	for _, s := range []string{
		"a,b\n1,2\n", "\ufeffa\r\n1\r\n\r\n2", "a\n", "a,a,\n,,\n x ,nan,-Inf\n", "a\n\"1\n", "a\n1\n2,3\n", "a,b\n\"1\n\",2\n", "a\n1\nx\n", "a,b\n\"1\" ,\"\n 2\"\n",
	} {
		f.Add([]byte(s))
	}
	a, _ := newAllocator(f, 16<<20)
	f.Fuzz(func(t *testing.T, content []byte) {
		got, err := countCSV(a, content)
		if a.Live() != 0 {
			t.Fatalf("%d blocks not given back", a.Live())
		}
		ref := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(content, []byte(byteOrderMark))))
		ref.TrimLeadingSpace = true
		rows, refErr := ref.ReadAll()
		if err == nil && errors.Is(refErr, csv.ErrQuote) {
			content = blanksBehindQuote.ReplaceAll(content, []byte(`"$1`))
			ref = csv.NewReader(bytes.NewReader(bytes.TrimPrefix(content, []byte(byteOrderMark))))
			ref.TrimLeadingSpace = true
			rows, refErr = ref.ReadAll()
		}
		switch row := new(RowError); {
		case err == nil && (refErr != nil || got.rows > len(rows)-1):
			t.Fatalf("read %d rows, encoding/csv says %d, %v", got.rows, len(rows)-1, refErr)
		case err == nil && got.columns > 0 && got.rows != len(rows)-1:
			t.Fatalf("read %d rows, expected %d", got.rows, len(rows)-1)
		case refErr != nil && len(content) > 0 && !errors.As(err, &row) && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnsupported):
			t.Fatalf("got %v, encoding/csv says %v", err, refErr)
		}
	})
}

var blanksBehindQuote = regexp.MustCompile(`"[ \t]+(,|\r?\n|$)`)

type csvCount struct{ rows, columns int }

func countCSV(a *arrowipc.Allocator, content []byte) (n csvCount, err error) {
	o := &Options{ChunkRows: 3, ChunkBytes: 1 << 20, RowBytes: defaultRowBytes}
	s, err := openCSV(&input{r: bytes.NewReader(content), size: int64(len(content))}, "f.csv", a, o)
	if err != nil {
		return n, err
	}
	defer s.close()
	n.columns = s.schema().NumFields()
	for {
		rec, err := s.next()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, err
		}
		n.rows += int(rec.NumRows())
		rec.Release()
	}
}
