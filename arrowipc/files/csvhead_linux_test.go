package files

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// missing are what programs write for a number that is not there.
var missing = []string{"NA", "N/A", "n/a", "null", "NULL", "None", "-", "--", ".", "?", "#N/A", "-nan", "+NaN", "1.#INF", "-1.#IND", "nil", "1,5"}

// A column with numbers is never lost for the words that it has beside them, wherever
// they stand and however the rows are cut.
func TestWordsAmongNumbers(t *testing.T) {
	a, _ := newAllocator(t, 0)
	for _, word := range missing {
		for at := range 3 {
			rows := []string{"1,3.5", "2,4.5"}
			rows = slices.Insert(rows, at, "0,"+strconv.Quote(word))
			path := newFile(t, "x.csv", []byte("id,temp\n"+strings.Join(rows, "\n")+"\n"))
			for _, chunk := range []int{0, 1} {
				_, _, _, err := readAll(t, a, path, &Options{ChunkRows: chunk})
				require.ErrorIs(t, err, ErrCell)
				require.ErrorContains(t, err, fmt.Sprintf("x.csv:%d: column 2 \"temp\": %q is not a number", at+2, word))
				require.NotContains(t, err.Error(), "\n")

				var bad []BadRow
				_, cols, _, err := readAll(t, a, path, &Options{ChunkRows: chunk, BadRow: badRows(&bad)})
				require.NoError(t, err)
				require.Equal(t, []cells{{1.0, 2.0}, {3.5, 4.5}}, cols)
				require.Len(t, bad, 1)
				require.Equal(t, at+2, bad[0].Line)

				_, cols, _, err = readAll(t, a, path, &Options{ChunkRows: chunk, Columns: []string{"id"}})
				require.NoError(t, err)
				require.Len(t, cols[0], 3)
			}
		}
	}
}

// Behind the head a column of few words is still held to have no number, one of many
// texts is not.
func TestNumbersBehindTheHead(t *testing.T) {
	a, _ := newAllocator(t, 0)
	for name, c := range map[string]struct {
		word func(i int) string
		late string
		want string
	}{
		"missing":         {func(int) string { return "NA" }, "7", `"7" in line 16386 is a number, but "NA" in line 2 is not`},
		"missing for 1e9": {func(int) string { return "NA" }, "1e999", `"1e999" in line 16386 is a number, but "NA" in line 2 is not`},
		"some words":      {func(i int) string { return []string{"", "NA", "null", "-", "n/a", "?"}[i%6] }, "NaN", `"NaN" in line 16386 is a number, but "NA" in line 3 is not`},
		"names":           {func(i int) string { return "station " + strconv.Itoa(i) }, "7", ""},
		"eight names":     {func(i int) string { return "station " + strconv.Itoa(i%manyTexts) }, "7", ""},
		"few names":       {func(i int) string { return "station " + strconv.Itoa(i%3) }, "East 7", ""},
		"empty":           {func(int) string { return "" }, "7", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			b.WriteString("i,x\n")
			const rows = csvHeadBytes / 4
			for i := range rows {
				fmt.Fprintf(&b, "%d,%s\n", i, c.word(i))
			}
			fmt.Fprintf(&b, "%d,%s\n1,\n", rows, c.late)
			path := newFile(t, "x.csv", []byte(b.String()))
			for _, o := range []*Options{nil, {ChunkRows: 100}, {BadRow: func(BadRow) error { return nil }}} {
				_, cols, _, err := readAll(t, a, path, o)
				if c.want != "" {
					require.ErrorIs(t, err, ErrCell)
					require.ErrorContains(t, err, `x.csv: column 2 "x": `+c.want)
					continue
				}
				require.NoError(t, err)
				require.Len(t, cols[0], rows+2)
			}
			_, cols, _, err := readAll(t, a, path, &Options{Columns: []string{"i"}})
			require.NoError(t, err)
			require.Len(t, cols[0], rows+2)
		})
	}
}

// A header that is longer than the head has rows behind it that settle the columns.
func TestHeadOfWideFile(t *testing.T) {
	a, _ := newAllocator(t, 0)
	const columns = csvHeadBytes / 8
	header := strings.Repeat("a long name,", columns) + "t\n"
	path := newFile(t, "x.csv", []byte(header+strings.Repeat(strings.Repeat("1,", columns)+"text\n", 3)))
	names, _, _, err := readAll(t, a, path, nil)
	require.NoError(t, err)
	require.Len(t, names, columns)
}

// What is no table of numbers with a header is refused by what it is.
func TestNoTable(t *testing.T) {
	a, _ := newAllocator(t, 0)
	wide := func(s string, width, at int) string {
		b := make([]byte, len(s)*width)
		for i := range len(s) {
			b[i*width+at] = s[i]
		}
		return string(b)
	}
	const text = "a,b\n1,2\n3,4\n"
	for content, want := range map[string]string{
		"1,10\n2,20\n3,30\n":               "x.csv: no header: line 1 holds nothing but numbers",
		"\n\n 1 ,\"-2.5\"\n2,20\n":         "x.csv: no header: line 3 holds nothing but numbers",
		",10\n2,20\n":                      "no header",
		"7\n":                              "no header",
		"a,b\r1,10\r2,20\r":                "x.csv: its lines end in a carriage return alone",
		"\"a\n\",b\r1,10\r2,20\n":          "carriage return alone",
		"a\r1\r" + text:                    "carriage return alone",
		"sep=,\n" + text:                   `x.csv: the first line is "sep=", which is for spreadsheet programs: remove it`,
		"\ufeffSEP=;\r\na;b\r\n1;2\r\n":    `the first line is "SEP=;"`,
		"\"sep=,\"\n" + text:               "spreadsheet",
		"sep=\t\na\tb\n1\t2\n":             "spreadsheet",
		"# made by x\n" + text:             `x.csv:2: expected 1 fields, found 2; the header is "# made by x": if it is a comment, remove it`,
		"# made, by x\n" + text:            "x.csv:2: column 1 \"# made\": \"a\" is not a number, but \"1\" in line 3 is; line 2 holds no number",
		"t,v\ns,m\n1,2\n":                  `x.csv:2: column 1 "t": "s" is not a number, but "1" in line 3 is; line 2 holds no number: if it gives units, or is a second header, remove it`,
		"t,v\n,m\n1,2\n":                   "if it gives units",
		"a,b\n\"1,5\",1\n\"2,25\",2\n":     `x.csv: column 1 "a": "1,5" in line 2 is not a number: it has a comma`,
		"a,b\n\"1,5\",1\n2,2\n":            `"1,5" is not a number: it has a comma`,
		"a,b\n2,1\n\"1.000,5\",2\n":        `x.csv:3: column 1 "a": "1.000,5" is not a number: it has a comma`,
		"a|b\n1|2\n":                       "one cell with bars in it",
		"\"a,b\"\n\"1,2\"\n":               "each cell may be quoted, but not the line",
		"\"a,b\"\n\"x,2\"\n":               "each cell may be quoted, but not the line",
		"\x1f\x8b\x08\x00\x00":             "x.csv: it is gzip: unpack it first; supported are Arrow IPC",
		"BZh91AY&SY\x01":                   "it is bzip2",
		"BZh11AY&SY\x01":                   "it is bzip2",
		"\xfd7zXZ\x00\x00":                 "it is xz",
		"\x28\xb5\x2f\xfd\x04":             "it is zstd",
		"PK\x03\x04\x14\x00":               "it is zip, or a spreadsheet: unpack it, or export it as CSV",
		"PAR1\x15\x04\x15":                 "it is Parquet: convert it",
		"FEA1\x00\x00":                     "it is Feather",
		"\x89HDF\r\n\x1a\n":                "it is HDF5",
		"<!DOCTYPE html>\n<p>":             "it is HTML",
		"\xff\xfe" + wide(text, 2, 0):      "it is UTF-16: convert it to UTF-8",
		"\xfe\xff" + wide(text, 2, 1):      "it is UTF-16",
		wide(text, 2, 0):                   "it is UTF-16",
		wide(text, 2, 1):                   "it is UTF-16",
		"\xff\xfe\x00\x00":                 "it is UTF-32",
		wide(text, 4, 0):                   "it is UTF-32",
		wide(text, 4, 3):                   "it is UTF-32",
		text + "5,\x00\n":                  "x.csv: it is no text: byte 15 is NUL",
		text + strings.Repeat("\x00", 100): "NUL",
	} {
		for _, columns := range [][]string{nil, {"a", "b"}} {
			_, _, _, err := readAll(t, a, newFile(t, "x.csv", []byte(content)), &Options{Columns: columns})
			requireRefusal(t, err, "x.csv")
			if columns == nil {
				require.ErrorContains(t, err, want, "%q", content)
			}
		}
		_, err := Open(newFile(t, "x.csv", []byte(content)), a, nil)
		require.Error(t, err, "it is refused before any work")
	}
	for _, content := range []string{
		"PAR1,PAR2\n1,2\n", "BZh9\n1\n", "FEA1\n1\n", "#a,b\n1,2\n", "# day,b\n2020-01-01,2\n", "sep,b\n1,2\n", "sepal=,b\n1,2\n", "2019,b\n1,2\n", "a,b\r",
		"a,b\r\r\n1,2\r\r\n", "\"a\r\",b\n1,2\n", "nan,x\n1,2\n", "a,b\n\"1,5\",1\n\"x\",2\n",
	} {
		_, _, _, err := readAll(t, a, newFile(t, "x.csv", []byte(content)), nil)
		require.NoError(t, err, "%q", content)
	}
	// A row that is left out by the hook is no reason to read what is no table.
	for _, content := range []string{"# made by x\n" + text, "a;b\n1,5;2,5\n2,5;3,5\n"} {
		_, _, _, err := readAll(t, a, newFile(t, "x.csv", []byte(content)), &Options{BadRow: func(BadRow) error { return nil }})
		require.ErrorContains(t, err, "the header is")
	}
}

// A number is what strconv takes, but for hexadecimal and underscores.
func TestNumbersAsStrconv(t *testing.T) {
	const letters = "07.+-eEinfa_x"
	cells := []string{""}
	for n := 0; n < 5; n++ {
		for _, s := range cells {
			_, err := strconv.ParseFloat(s, 64)
			want := (err == nil || errors.Is(err, strconv.ErrRange)) && !strings.ContainsAny(s, "_xX")
			if isNumber(s) != want {
				t.Fatalf("isNumber(%q) is %v", s, !want)
			}
		}
		if n < 4 {
			var longer []string
			for _, s := range cells {
				for _, c := range letters {
					longer = append(longer, s+string(c))
				}
			}
			cells = longer
		}
	}
	for _, s := range []string{"infinity", "-Infinity", "+INF", "infinit", "1e+07", "1e+", "12.5e-3", "nann", "-nan", "1e999", "00.00"} {
		_, err := strconv.ParseFloat(s, 64)
		require.Equal(t, err == nil || errors.Is(err, strconv.ErrRange), isNumber(s), s)
	}
}
