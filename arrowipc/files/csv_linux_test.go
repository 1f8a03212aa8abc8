package files

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"
)

func TestSmallCSV(t *testing.T) {
	a, _ := newAllocator(t, 0)
	for chunk, sizes := range map[int][]int{0: {20}, 7: {7, 7, 6}, 10: {10, 10}, 1: nil} {
		names, cols, got, err := readAll(t, a, shared+"small.csv", &Options{ChunkRows: chunk})
		require.NoError(t, err)
		require.Equal(t, []string{"time", "temperature", "wind", "gust"}, names)
		if chunk != 1 {
			require.Equal(t, sizes, got)
		}
		require.Equal(t, cells{nil, nil, nil, nil, 7.5, 7.25, nil, 6.0, 6.5, nil, nil, 8.0, nil, nil, nil, 9.0, nil, nil, 10.5, 11.0}, cols[3])
		require.Equal(t, cells{4.0, 3.9, 3.8, -0.5, -1.25, nil, 2.0, 2.5, 2.75, 10.0}, cols[1][:10])
		for i, v := range cols[0] {
			require.Equal(t, float64(i+1), v)
		}
	}
}

func TestCSV(t *testing.T) {
	a, _ := newAllocator(t, 0)
	for _, c := range []struct {
		name, content string
		names         []string
		cols          []cells
		skipped       []string
	}{
		{"header only", "a,b\n", []string{"a", "b"}, []cells{nil, nil}, nil},
		{"header without end of line", "a,b", []string{"a", "b"}, []cells{nil, nil}, nil},
		{"no last end of line", "a\n1\n2", []string{"a"}, []cells{{1.0, 2.0}}, nil},
		{"windows", "a,b\r\n1,2\r\n", []string{"a", "b"}, []cells{{1.0}, {2.0}}, nil},
		{"byte order mark", "\ufeffa\n1\n", []string{"a"}, []cells{{1.0}}, nil},
		{"blanks around cells", " a , b\n 1\t, 2 \n", []string{"a", "b"}, []cells{{1.0}, {2.0}}, nil},
		{"quotes", "\"a,b\", \"c\"\n\"1\", \" 2 \"\n", []string{"a,b", "c"}, []cells{{1.0}, {2.0}}, nil},
		{"nulls", "a,b\n,1\n2,\n\" \",3\n", []string{"a", "b"}, []cells{{nil, 2.0, nil}, {1.0, nil, 3.0}}, nil},
		{"blank lines", "a\n\n1\n\n\n2\n\n", []string{"a"}, []cells{{1.0, 2.0}}, nil},
		{"text", "a,b\nx,1\ny,2\n", []string{"b"}, []cells{{1.0, 2.0}}, []string{"a"}},
		{"text after nulls", "a,b\n,1\nx,2\n,3\n", []string{"b"}, []cells{{1.0, 2.0, 3.0}}, []string{"a"}},
		{"nothing but text", "a,b\nx,y\nz,\n", nil, []cells{}, []string{"a", "b"}},
		{"nothing but nulls", "a,b\n,\n,\n", []string{"a", "b"}, []cells{{nil, nil}, {nil, nil}}, nil},
		{"names repeat and are empty", "a,a,,\n1,2,3,x\n", []string{"a", "a", ""}, []cells{{1.0}, {2.0}, {3.0}}, []string{""}},
		{"numbers", "a\n+1\n-.5\n5.\n1e3\n1E-3\n007\n1e-999\n", []string{"a"}, []cells{{1.0, -0.5, 5.0, 1000.0, 0.001, 7.0, 0.0}}, nil},
		{"infinities", "a\nInf\n-inf\n+INFINITY\n", []string{"a"}, []cells{{math.Inf(1), math.Inf(-1), math.Inf(1)}}, nil},
		{"underscores are text", "a\n1_000\n", nil, []cells{}, []string{"a"}},
		{"hexadecimal is text", "a\n0x1p4\n", nil, []cells{}, []string{"a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := newFile(t, "x.CSV", []byte(c.content))
			names, cols, _, err := readAll(t, a, path, nil)
			require.NoError(t, err)
			require.Equal(t, c.names, names)
			require.Equal(t, c.cols, cols)
			r, err := Open(path, a, nil)
			require.NoError(t, err)
			defer r.Close()
			var skipped []string
			for _, s := range r.Skipped() {
				skipped = append(skipped, s.Name)
			}
			require.Equal(t, c.skipped, skipped)
		})
	}
	_, cols, _, err := readAll(t, a, newFile(t, "x.csv", []byte("a\nnan\nNaN\nNAN\n")), nil)
	require.NoError(t, err)
	require.Len(t, cols[0], 3)
	for _, v := range cols[0] {
		require.True(t, math.IsNaN(v.(float64)))
	}
}

func TestCSVErrors(t *testing.T) {
	a, _ := newAllocator(t, 0)
	long := strings.Repeat("y", 1000)
	for _, c := range []struct{ name, content, want string }{
		{"bad cell", "time,name,delay\n1,x,5\n2,y,6\n3,z,abc\n", `x.csv:4: column 3 "delay": "abc" is not a number`},
		{"in a quoted cell over lines", "a,b\n\"x\n\n\",1\ny,z\n", `x.csv:5: column 2 "b": "z" is not a number`},
		{"too large", "a\n1\n1e999\n", `x.csv:3: column 1 "a": "1e999" is too large for a float64`},
		{"too large at first", "a\n-1e999\n", `x.csv:2: column 1 "a": "-1e999" is too large for a float64`},
		{"underscore", "a\n1\n1_000\n", `x.csv:3: column 1 "a": "1_000" is not a number`},
		{"hexadecimal", "a\n1\n0x10\n", `x.csv:3: column 1 "a": "0x10" is not a number`},
		{"escaped", "a\n1\n\x01\xff\u202e\n", `x.csv:3: column 1 "a": "\x01\xff\u202e" is not a number`},
		{"long cell", "a\n1\n" + long + "\n", `x.csv:3: column 1 "a": "` + long[:40] + `"… is not a number`},
		{"long name", long + "\n1\nz\n", `x.csv:3: column 1 "` + long[:40] + `"…: "z" is not a number`},
		{"too few fields", "a,b\n1,2\n3\n", "x.csv:3: expected 2 fields, found 1"},
		{"too many fields", "a,b\n1,2\n3,4,\n", "x.csv:3: expected 2 fields, found 3"},
		{"too few after blank lines", "a,b\n\n\n3\n", "x.csv:4: expected 2 fields, found 1"},
		{"ragged without numbers", "a,b\nx,y\nz\n", "x.csv:3: expected 2 fields, found 1"},
		{"quote in a cell", "a,b\n1,2\"\n", `x.csv:2: bare " in non-quoted-field at byte 4 of the line`},
		{"quote not closed", "a,b\n1,2\n3,\"4\n5,6\n", `x.csv:4: extraneous or missing " in quoted-field at byte 5 of the line, in a row that starts in line 3`},
		{"quote in the header", "a\"\n", `x.csv:1: bare " in non-quoted-field at byte 2 of the line`},
		{"blank lines only", "\n\n\n", "x.csv: no header: nothing but blank lines"},
		{"byte order mark only", "\ufeff", "x.csv: no header: nothing but blank lines"},
		{"empty", "", "x.csv: empty file (0 bytes)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := newFile(t, "x.csv", []byte(c.content))
			_, _, _, err := readAll(t, a, path, nil)
			requireRefusal(t, err, path)
			require.Equal(t, c.want, strings.TrimPrefix(err.Error(), strings.TrimSuffix(path, "x.csv")))
			var row *RowError
			if errors.As(err, &row) {
				require.Equal(t, path, row.Path)
				require.Positive(t, row.Line)
			}
		})
	}
}

// A record must fit into memory; nothing makes it do so but this bound.
func TestCSVLongRow(t *testing.T) {
	a, _ := newAllocator(t, 0)
	for _, c := range []struct{ name, content, want string }{
		{"line", "a\n1\n" + strings.Repeat("7", 1<<20), "x.csv:3: a row of more than 65536 bytes; is a quote missing?"},
		{"header", strings.Repeat("a", 1<<20), "x.csv:1: a row of more than 65536 bytes; is a quote missing?"},
		{"quoted", "a,b\n1,2\n1,\"" + strings.Repeat("7\n", 1<<20), "x.csv:3: a row of more than 65536 bytes; is a quote missing?"},
		{"commas", "a\n1\n" + strings.Repeat(",", 1<<20), "x.csv:3: a row with more than 262144 commas"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := newFile(t, "x.csv", []byte(c.content))
			o := &Options{RowBytes: 64 << 10}
			if c.name == "commas" {
				o = nil
			}
			_, _, _, err := readAll(t, a, path, o)
			requireRefusal(t, err, path)
			require.Equal(t, c.want, strings.TrimPrefix(err.Error(), strings.TrimSuffix(path, "x.csv")))
		})
	}
	// Many rows may be longer than what one may.
	path := newFile(t, "x.csv", []byte("a\n"+strings.Repeat("7\n", 1<<18)))
	_, cols, _, err := readAll(t, a, path, &Options{RowBytes: 1 << 10})
	require.NoError(t, err)
	require.Len(t, cols[0], 1<<18)
}

// What is known late: the schema stays, Skipped tells.
func TestCSVLateText(t *testing.T) {
	a, _ := newAllocator(t, 0)
	const empty = csvHeadBytes / len("1,,\n")
	path := newFile(t, "x.csv", []byte("a,b,c\n"+strings.Repeat("1,,\n", empty)+"4,x,5\n5,,6\n"))
	r, err := Open(path, a, &Options{ChunkRows: empty - empty/3})
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, 3, r.Schema().NumFields())
	var b, c cells
	for i := range 2 {
		if i == 0 {
			require.Empty(t, r.Skipped())
		}
		rec, err := r.Next(context.Background())
		require.NoError(t, err)
		require.True(t, rec.Schema().Equal(r.Schema()))
		b = append(b, values(t, a, rec.Column(1))...)
		c = append(c, values(t, a, rec.Column(2))...)
		rec.Release()
	}
	require.Equal(t, make(cells, empty+2), b)
	require.Equal(t, append(make(cells, empty), 5.0, 6.0), c)
	require.Equal(t, []Skipped{{"b", fmt.Sprintf(`text: its first value is "x" in line %d`, empty+2), 1}}, r.Skipped())
	_, err = r.Next(context.Background())
	require.Equal(t, io.EOF, err)
}

// A long file passes through an arena that holds a few of its records.
func TestCSVStreams(t *testing.T) {
	a, arena := newAllocator(t, 4<<20)
	path := newFile(t, "x.csv", nil)
	f, err := os.Create(path)
	require.NoError(t, err)
	w := bufio.NewWriter(f)
	const rows = 300_000
	fmt.Fprintln(w, "i,text,half")
	for i := range rows {
		fmt.Fprintf(w, "%d,t%d,%g\n", i, i, float64(i)/2)
	}
	require.NoError(t, w.Flush())
	require.NoError(t, f.Close())

	r, err := Open(path, a, &Options{ChunkRows: 10_000})
	require.NoError(t, err)
	defer r.Close()
	n, last := 0, int64(0)
	for {
		rec, err := r.Next(context.Background())
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		done, total := r.BytesRead()
		require.Greater(t, done, last)
		require.LessOrEqual(t, done, total)
		last = done
		i, half := values(t, a, rec.Column(0)), values(t, a, rec.Column(1))
		require.Equal(t, float64(n), i[0])
		require.Equal(t, float64(n)/2, half[0])
		n += int(rec.NumRows())
		rec.Release()
	}
	require.Equal(t, rows, n)
	require.Less(t, arena.Stats().HighWater, int64(1<<20))
}

// Wide files get records of fewer rows, not of more memory.
func TestChunkBytes(t *testing.T) {
	a, _ := newAllocator(t, 0)
	row := strings.Repeat("1,", 99) + "1\n"
	path := newFile(t, "x.csv", []byte(strings.Repeat("c,", 99)+"c\n"+strings.Repeat(row, 200)))
	_, _, sizes, err := readAll(t, a, path, &Options{ChunkBytes: 100 * 8 * 64})
	require.NoError(t, err)
	require.Equal(t, []int{64, 64, 64, 8}, sizes)
	_, _, sizes, err = readAll(t, a, path, &Options{ChunkBytes: 1})
	require.NoError(t, err)
	require.Len(t, sizes, 25)
}

// A file that shrinks or grows while it is read is an error, also where the cut
// is between two rows.
func TestCSVThatChanges(t *testing.T) {
	const row = "1,2\n"
	for name, change := range map[string]func(path string, size int64) error{
		"shrinks": func(path string, size int64) error { return os.Truncate(path, size-int64(len(row))*10) },
		"grows": func(path string, _ int64) error {
			f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			defer f.Close()
			_, err = f.WriteString(row)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			a, _ := newAllocator(t, 0)
			path := filepath.Join(t.TempDir(), "x.csv")
			text := "\ufeffa,b\n" + strings.Repeat(row, 100000)
			require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
			r, err := Open(path, a, &Options{ChunkRows: 1000})
			require.NoError(t, err)
			defer r.Close()
			require.NoError(t, change(path, int64(len(text))))
			for err == nil {
				var rec arrow.Record
				if rec, err = r.Next(context.Background()); err == nil {
					rec.Release()
				}
			}
			require.ErrorIs(t, err, ErrChanged)
			require.ErrorContains(t, err, "x.csv: changed while it was read")
		})
	}
}
