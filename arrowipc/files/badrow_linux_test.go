package files

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// badRows collects what is left out.
func badRows(into *[]BadRow) func(BadRow) error {
	return func(b BadRow) error {
		*into = append(*into, b)
		return nil
	}
}

func TestBadRow(t *testing.T) {
	a, _ := newAllocator(t, 0)
	for _, c := range []struct {
		name, content string
		cols          []cells
		lines         []int
		raw           []string
		reasons       []string
	}{
		{"ragged", "a,b\n1,2\n3\n4,5,6\n7,8\n", []cells{{1.0, 7.0}, {2.0, 8.0}}, []int{3, 4}, []string{"3", "4,5,6"},
			[]string{"expected 2 fields, found 1", "expected 2 fields, found 3"}},
		{"cells", "a,b\n1,2\n 3 , x\n1e999,1\n,4\n", []cells{{1.0, nil}, {2.0, 4.0}}, []int{3, 4}, []string{" 3 , x", "1e999,1"},
			[]string{`column 2 "b": "x" is not a number`, "too large"}},
		{"quotes", "a,b\n1,2\n3,4\"\n\"5\"6,7\n8,9\n", []cells{{1.0, 8.0}, {2.0, 9.0}}, []int{3, 4}, []string{"3,4\"", "\"5\"6,7"},
			[]string{"bare", "extraneous"}},
		{"a quote over lines", "a,b\n1,\"2\n3,4\n\"5,6\n7,8\n", []cells{{7.0}, {8.0}}, []int{2}, []string{"1,\"2\n3,4\n\"5,6"}, []string{"row that starts in line 2"}},
		{"a cell over lines", "a,t\n1,x\n\"\ny\",z\n2,\"u\nv\"\n", []cells{{1.0, 2.0}}, []int{3}, []string{"\"\ny\",z"}, []string{"is not a number"}},
		{"blank lines", "\ufeffa,b\r\n\r\n\n\r\n1\r\n\n2,3\r\n\n\n4", []cells{{2.0}, {3.0}}, []int{5, 10}, []string{"1", "4"}, []string{"found 1", "found 1"}},
		{"at once and alone", "a,b\n1\n", []cells{nil, nil}, []int{2}, []string{"1"}, []string{"found 1"}},
		{"the last, its quote open", "a,b\n1,2\n3,\"4\n", []cells{{1.0}, {2.0}}, []int{3}, []string{"3,\"4"}, []string{"extraneous or missing"}},
		{"a quote open to the end", "a,b\n1,2\n3,\"4\n5,6\n", nil, nil, nil, nil},
		{"what is left out decides nothing", "a,b,c\n5,x,1,\n6,7,y\n,,z\n1,1e999,2\n", []cells{{6.0, nil}, {7.0, nil}}, []int{2, 5},
			[]string{"5,x,1,", "1,1e999,2"}, []string{"found 4", "too large"}},
		{"nulls behind it", "a,b,c\n1,2,3\n4,5,x\n,,\n", []cells{{1.0, nil}, {2.0, nil}, {3.0, nil}}, []int{3}, []string{"4,5,x"}, []string{"not a number"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.lines == nil { // the row goes on behind the end of the line, to that of the file
				path := newFile(t, "x.csv", []byte(c.content))
				_, _, _, err := readAll(t, a, path, &Options{BadRow: func(BadRow) error { return nil }})
				require.ErrorContains(t, err, "row that starts in line 3")
				return
			}
			for _, chunk := range []int{0, 1, 2} {
				if chunk > 0 && strings.Contains(c.name, "decides") {
					continue // with small records a column is settled before
				}
				var bad []BadRow
				path := newFile(t, "x.csv", []byte(c.content))
				_, cols, _, err := readAll(t, a, path, &Options{ChunkRows: chunk, BadRow: badRows(&bad)})
				require.NoError(t, err)
				require.Equal(t, c.cols, cols)
				require.Len(t, bad, len(c.lines))
				for i, b := range bad {
					require.Equal(t, path, b.Path)
					require.Equal(t, c.lines[i], b.Line)
					require.Equal(t, c.raw[i], string(b.Raw))
					require.Equal(t, c.raw[i], c.content[b.Offset:b.Offset+b.Bytes])
					require.ErrorContains(t, b.Err, c.reasons[i])
				}
			}
			path := newFile(t, "x.csv", []byte(c.content))
			_, _, _, err := readAll(t, a, path, nil)
			require.Error(t, err, "without the hook it is an error as before")
		})
	}
}

// What the hook says ends reading, whatever it is, in Open and in Next.
func TestBadRowHookFails(t *testing.T) {
	a, _ := newAllocator(t, 0)
	path := newFile(t, "x.csv", []byte("a,b\n1\n2,3\n4\n5,6\n"))
	enough := errors.New("enough")
	for _, want := range []error{enough, io.EOF} {
		for after := range 2 {
			o := &Options{ChunkRows: 1, BadRow: func(BadRow) error {
				if after--; after < 0 {
					return want
				}
				return nil
			}}
			_, _, _, err := readAll(t, a, path, o)
			require.ErrorIs(t, err, want)
			require.ErrorContains(t, err, "x.csv: "+want.Error())
		}
	}
}

func TestBadRowIsBounded(t *testing.T) {
	a, _ := newAllocator(t, 0)
	var bad []BadRow
	long := strings.Repeat("x", 200_000)
	path := newFile(t, "x.csv", []byte("a\n1\n"+strings.Repeat("\n", 100_000)+"\r\n"+long+"\r\n2\n"))
	_, cols, _, err := readAll(t, a, path, &Options{BadRow: badRows(&bad)})
	require.NoError(t, err)
	require.Equal(t, cells{1.0, 2.0}, cols[0])
	require.Len(t, bad, 1)
	require.Equal(t, 100_004, bad[0].Line)
	require.Equal(t, long[:maxRaw], string(bad[0].Raw))
	require.Equal(t, int64(len(long)), bad[0].Bytes)

	path = newFile(t, "y.csv", []byte("a\n1\n"+strings.Repeat("7", 1<<20)+"\n2\n"))
	_, _, _, err = readAll(t, a, path, &Options{RowBytes: 64 << 10, BadRow: badRows(&bad)})
	require.ErrorContains(t, err, "more than 65536 bytes", "it can't be left out")
	path = newFile(t, "z.csv", []byte("a\"\n1\n"))
	_, _, _, err = readAll(t, a, path, &Options{BadRow: badRows(&bad)})
	require.ErrorContains(t, err, "z.csv:1: bare", "nor can the header")
}

// FuzzBadRow: rows that are kept and rows that are left out are all of the file
// but its header, blank lines and ends of line, in order; reading it in two parts
// gives the same.
func FuzzBadRow(f *testing.F) {
	for _, s := range []string{
		"a,b\n1,2\n", "\ufeffa\r\n1\r\n\r\nx\r\n2", "a,b\n1\n2,3\n\"4\n", "a\n\"1\n\"x\n3\n", "a,b\n,\n\"x\ny\",1\n\n\n2,2\n", "a;b\n1;2\n",
	} {
		f.Add([]byte(s), uint8(1))
	}
	a, _ := newAllocator(f, 16<<20)
	f.Fuzz(func(t *testing.T, content []byte, chunk uint8) {
		read := func(skip int64) (log []string, ends []int64, err error) {
			at := int64(-1)
			o := &Options{ChunkRows: int(chunk%16) + 1, ChunkBytes: 1 << 20, RowBytes: defaultRowBytes, BadRow: func(b BadRow) error {
				switch raw := content[b.Offset:]; {
				case b.Offset <= at || b.Bytes < 1 || b.Err == nil || b.Line < 2:
					t.Fatalf("bad row %+v behind byte %d", b, at)
				case !bytes.HasPrefix(raw, b.Raw) || int64(len(b.Raw)) != min(b.Bytes, maxRaw):
					t.Fatalf("bad row %+v is not what stands there", b)
				case content[b.Offset-1] != '\n':
					t.Fatalf("bad row %+v starts within a line", b)
				case bytes.Count(content[:b.Offset], []byte("\n"))+1 != b.Line:
					t.Fatalf("bad row %+v, but it is in line %d", b, bytes.Count(content[:b.Offset], []byte("\n"))+1)
				}
				at = b.Offset + b.Bytes
				log = append(log, fmt.Sprintf("bad %d", b.Line))
				return nil
			}}
			s, err := openCSV(&input{r: bytes.NewReader(content), size: int64(len(content))}, "f.csv", a, o)
			if err != nil {
				return nil, nil, err
			}
			defer s.close()
			if skip > 0 {
				if err := s.skip(context.Background(), skip); err != nil {
					t.Fatalf("skip of %d: %v", skip, err)
				}
			}
			rows := skip
			for {
				rec, err := s.next()
				if err != nil {
					return append(log, fmt.Sprint(s.skipped(), err)), ends, err
				}
				rows += rec.NumRows()
				for i, arr := range rec.Columns() {
					log = append(log, fmt.Sprint(i, values(t, a, arr)))
				}
				ends = append(ends, rows)
				rec.Release()
			}
		}
		log, ends, err := read(0)
		if err == nil || len(ends) == 0 {
			return
		}
		skip := ends[len(ends)/2]
		rest, _, again := read(skip)
		if fmt.Sprint(err) != fmt.Sprint(again) || log[len(log)-1] != rest[len(rest)-1] {
			t.Fatalf("after a skip of %d: %q, without: %q", skip, rest, log)
		}
		split := func(log []string) (bad, vals []string) {
			for _, l := range log[:len(log)-1] {
				if strings.HasPrefix(l, "bad") {
					bad = append(bad, l)
				} else {
					vals = append(vals, l)
				}
			}
			return bad, vals
		}
		wantBad, want := split(log)
		gotBad, got := split(rest)
		if !slices.Equal(wantBad, gotBad) || !slices.Equal(want[len(want)-len(got):], got) {
			t.Fatalf("after a skip of %d: %q, without: %q", skip, rest, log)
		}
		if a.Live() != 0 {
			t.Fatalf("%d blocks not given back", a.Live())
		}
	})
}
