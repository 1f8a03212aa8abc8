package files

import (
	"context"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/stretchr/testify/require"
)

func TestColumns(t *testing.T) {
	a, _ := newAllocator(t, 0)
	all := smallCells()
	for name, content := range map[string][]byte{"file": writeFile(t), "stream": writeStream(t), "zstd": writeFile(t, ipc.WithZstd())} {
		for _, c := range []struct {
			ask, names []string
			cols       []cells
		}{
			{[]string{"u64"}, []string{"u64"}, []cells{all[2]}},
			{[]string{"f64", "delay", "f64"}, []string{"delay", "f64", "f64"}, []cells{all[0], all[4], all[5]}},
			{smallNames, smallNames, all},
			{[]string{}, smallNames, all},
		} {
			path := newFile(t, name, content)
			names, cols, _, err := readAll(t, a, path, &Options{ChunkRows: 8, Columns: c.ask})
			require.NoError(t, err)
			require.Equal(t, c.names, names)
			require.Equal(t, c.cols, cols)
			r, err := Open(path, a, &Options{Columns: c.ask})
			require.NoError(t, err)
			require.Equal(t, len(c.ask) == 0, len(r.Skipped()) > 0, "what was not asked for is not reported")
			require.NoError(t, r.Close())
		}
	}
	const table = "i,t,x,x,x\n1,a,7,b,\n2,b,x,c,5\n"
	for _, c := range []struct {
		ask, names []string
		cols       []cells
		skipped    int
	}{
		{[]string{"i"}, []string{"i"}, []cells{{1.0, 2.0}}, 0},
		{[]string{"x"}, nil, nil, 0},
	} {
		names, cols, _, err := readAll(t, a, newFile(t, "x.csv", []byte(table)), &Options{Columns: c.ask})
		if c.names == nil {
			require.ErrorContains(t, err, `x.csv:3: column 3 "x": "x" is not a number`)
			continue
		}
		require.NoError(t, err, "the bad cell is in a column that is not looked at")
		require.Equal(t, c.names, names)
		require.Equal(t, c.cols, cols)
	}
	r, err := Open(newFile(t, "x.csv", []byte("x,t,x\n1,a,b\n")), a, &Options{Columns: []string{"x"}})
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, 1, r.Schema().NumFields())
	require.Equal(t, []Skipped{{"x", `text: its first value is "b" in line 2`, -1}}, r.Skipped())
}

func TestColumnErrors(t *testing.T) {
	a, _ := newAllocator(t, 0)
	many := newFile(t, "many.csv", []byte(strings.Repeat("c,", 20)+" Delay\n"+strings.Repeat("1,", 21)[:41]+"\n"))
	text := newFile(t, "t.csv", []byte("a,b\n1,x\n"))
	for _, c := range []struct {
		path string
		ask  []string
		want string
	}{
		{shared + "small.arrow", []string{"u64", "delai"}, `small.arrow: no column "delai"; the file has "day", "delay", "carrier",`},
		{shared + "small.arrow", []string{"carrier"}, `column "carrier" was asked for, but is not numeric: type utf8 is none of`},
		{shared + "small.stream", []string{"half"}, `float16`},
		{text, []string{"b"}, `t.csv: column "b" was asked for, but is not numeric: text: its first value is "x" in line 2`},
		{text, []string{"c"}, `t.csv: no column "c"; the file has "a", "b"`},
		{text, []string{""}, `no column ""`},
		{many, []string{"delay"}, `no column "delay"; the file has "Delay", "c", "c",`},
		{many, []string{"delay"}, "… (21 in all)"},
		{newFile(t, "s.csv", []byte("a;b\n1;2\n")), []string{"a"}, "semicolons"},
	} {
		_, err := Open(c.path, a, &Options{Columns: c.ask})
		require.ErrorIs(t, err, ErrColumn)
		require.ErrorContains(t, err, c.want)
		require.NotContains(t, err.Error(), "\n")
	}
	late := "a,b\n" + strings.Repeat("1,\n", csvHeadBytes/3) + "2,x\n"
	r, err := Open(newFile(t, "late.csv", []byte(late)), a, &Options{ChunkRows: csvHeadBytes / 3, Columns: []string{"b"}})
	require.NoError(t, err)
	defer r.Close()
	rec, err := r.Next(context.Background())
	require.NoError(t, err)
	rec.Release()
	_, err = r.Next(context.Background())
	require.ErrorIs(t, err, ErrColumn)
	require.ErrorContains(t, err, `late.csv: column "b" was asked for, but is not numeric: text: its first value is "x" in line 21847`)
}

func TestSeparatorHint(t *testing.T) {
	a, _ := newAllocator(t, 0)
	for content, want := range map[string]string{
		"a;b\n1;2\n":         `x.csv: column "a;b" is text: its first value is "1;2" in line 2; the header is one cell with semicolons in it`,
		"a;b\n1,5;2,5\n":     "x.csv:2: expected 1 fields, found 3; the header is one cell with semicolons in it",
		"a\tb\n1\t2\n":       "tabs",
		"\n\"a\tb\"\nx\ty\n": "tabs",
	} {
		_, err := Open(newFile(t, "x.csv", []byte(content)), a, nil)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "separated by commas")
	}
	for _, content := range []string{"a;b\n1\n", "a;b\n", "a;b,c\nx,y\n", "a\nx;y\n"} {
		_, _, _, err := readAll(t, a, newFile(t, "x.csv", []byte(content)), nil)
		require.NoError(t, err, "%q", content)
	}
}
