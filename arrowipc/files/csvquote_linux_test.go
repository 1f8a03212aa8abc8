package files

import (
	"bytes"
	"encoding/csv"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

// Blanks around a cell do not count, quoted or not.
func TestBlanksBehindQuotes(t *testing.T) {
	a, _ := newAllocator(t, 0)
	for content, want := range map[string][]cells{
		"\"a\" ,\"b\"\t \n\"1\" ,2\n3,\"4\"  \n":      {{1.0, 3.0}, {2.0, 4.0}},
		"a,b\r\n \"1\" , \"2\" \r\n3,\"4\" ":          {{1.0, 3.0}, {2.0, 4.0}},
		"a,b\n\"1\" ,\"2\n\" ,\n":                     nil, // three cells
		"a,b,t\n1,\"2\" ,\"x\"\" ,\n\"\" \" \n3,4,\n": {{1.0, 3.0}, {2.0, 4.0}},
		"a,b\r\r\n\"1\",\"2\"\r\r\n":                  nil, // as encoding/csv has it
		"a,b\n\"1\" x,2\n":                            nil,
		"a,b\n\"1\" \"2\",2\n":                        nil,
		"a,b\n1\" ,2\n":                               nil,
	} {
		_, cols, _, err := readAll(t, a, newFile(t, "x.csv", []byte(content)), nil)
		if want == nil {
			require.Error(t, err, "%q", content)
			continue
		}
		require.NoError(t, err, "%q", content)
		require.Equal(t, want, cols)
	}
	// Where a buffer ends, and a cell of more blanks than it holds.
	for _, n := range []int{bufferBytes - 8, bufferBytes - 7, bufferBytes - 6, bufferBytes - 5, bufferBytes - 4, bufferBytes - 3, bufferBytes - 2} {
		content := "a,b\n" + strings.Repeat("1,\"2\"   \n", 3*bufferBytes/9)
		content = "a" + strings.Repeat("a", n%9) + content
		_, cols, _, err := readAll(t, a, newFile(t, "x.csv", []byte(content)), nil)
		require.NoError(t, err)
		require.Len(t, cols[1], 3*bufferBytes/9)
	}
	_, _, _, err := readAll(t, a, newFile(t, "x.csv", []byte("a,b\n\"1\""+strings.Repeat(" ", 2*bufferBytes)+",2\n")), nil)
	require.ErrorContains(t, err, "x.csv:2: extraneous")
	// What is left out is the line as it stands in the file.
	var bad []BadRow
	_, cols, _, err := readAll(t, a, newFile(t, "x.csv", []byte("a,b\n\"3\" ,4\n\"1\" ,x\n")), &Options{BadRow: badRows(&bad)})
	require.NoError(t, err)
	require.Equal(t, []cells{{3.0}, {4.0}}, cols)
	require.Equal(t, "\"1\" ,x", string(bad[0].Raw))
}

// FuzzQuoteReader: the reader gives the same in any pieces, and only what encoding/csv
// refuses becomes other rows; those have blanks moved and nothing else.
func FuzzQuoteReader(f *testing.F) {
	for _, s := range []string{"\"1\" ,2\n", "a\"b ,\"c\" \n\" \"\" ,\"\t\n", "\"a\"\"b\" ,\n\"x\ny\" , \"z\" ", "\" , \",\" \"\r\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		whole, err := io.ReadAll(newQuoteReader(bytes.NewReader(content)))
		require.NoError(t, err)
		one, err := io.ReadAll(newQuoteReader(iotest.OneByteReader(bytes.NewReader(content))))
		require.NoError(t, err)
		require.Equal(t, string(whole), string(one))
		require.Equal(t, withoutBlanks(content), withoutBlanks(whole))
		was, wasErr := rowsOf(content)
		is, isErr := rowsOf(whole)
		if wasErr == nil {
			require.NoError(t, isErr)
			require.Equal(t, was, is)
		} else if isErr == nil {
			require.ErrorIs(t, wasErr, csv.ErrQuote)
			require.Regexp(t, regexp.MustCompile(`"[ \t]+(,|\r|\n|$)`), string(content))
		}
	})
}

func withoutBlanks(b []byte) string { return strings.NewReplacer(" ", "", "\t", "").Replace(string(b)) }

// rowsOf is what encoding/csv makes of content, the cells trimmed.
func rowsOf(content []byte) ([][]string, error) {
	r := csv.NewReader(bytes.NewReader(content))
	r.TrimLeadingSpace, r.FieldsPerRecord = true, -1
	rows, err := r.ReadAll()
	for _, row := range rows {
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
	}
	return rows, err
}
