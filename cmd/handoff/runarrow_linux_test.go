package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
)

// What lies behind the end of an Arrow stream or file is read or refused, and a stream
// without its end mark is told.
func TestRunArrowEnds(t *testing.T) {
	stream, err := os.ReadFile("../../testdata/small.stream")
	require.NoError(t, err)
	file, err := os.ReadFile("../../testdata/small.arrow")
	require.NoError(t, err)
	cut := stream[:len(stream)-8]
	for name, row := range map[string]struct {
		content []byte
		code    int
		count   float64
		stderr  string
		warned  bool
	}{
		"one":            {stream, 0, 20, "", false},
		"two":            {slices.Concat(stream, stream), 0, 40, "", false},
		"junk behind":    {slices.Concat(stream, make([]byte, 100)), 1, 0, "what follows is no other one", false},
		"no end mark":    {cut, 0, 20, "has no end mark", true},
		"the second cut": {slices.Concat(stream, cut), 0, 40, "has no end mark", true},
		"two files":      {slices.Concat(file, file), 1, 0, "belong to nothing that the Arrow footer lists", false},
	} {
		t.Run(name, func(t *testing.T) {
			in := write(t, "in", string(row.content))
			summary := filepath.Join(t.TempDir(), "s.json")
			stdout, stderr, code := inProcess("run", in, "--op", "describe", "--columns", "i8", "--isolation", "goroutine", "--quiet", "--json", summary)
			require.Equal(t, row.code, code, stderr)
			requireShort(t, stderr)
			require.Contains(t, stderr, row.stderr)
			if row.code != 0 {
				require.Empty(t, stdout)
				return
			}
			require.Equal(t, row.warned, stderr != "", stderr)
			var got struct{ Columns []struct{ Count float64 } }
			require.NoError(t, json.Unmarshal([]byte(stdout), &got))
			require.Equal(t, row.count, got.Columns[0].Count)
			b, err := os.ReadFile(summary)
			require.NoError(t, err)
			var sum struct {
				NoEndMark []string `json:"no_end_mark"`
			}
			require.NoError(t, json.Unmarshal(b, &sum))
			want := []string{}
			if row.warned {
				want = append(want, in)
			}
			require.Equal(t, want, sum.NoEndMark)
		})
	}
}

// What the summary says was copied is what the kernel was asked to read from the file,
// but for the metadata: nothing of it is read twice or mapped.
func TestBytesCopiedInATrace(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("not in CI: strace is not installed")
	}
	if err := exec.Command(strace, "-o", "/dev/null", "true").Run(); err != nil {
		t.Skipf("not in CI: strace may not trace here: %v", err)
	}
	const rows = 200_000
	schema := arrow.NewSchema([]arrow.Field{{Name: "x", Type: arrow.PrimitiveTypes.Float64}, {Name: "n", Type: arrow.PrimitiveTypes.Int16, Nullable: true}}, nil)
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	b.Field(0).(*array.Float64Builder).AppendValues(make([]float64, rows), nil)
	b.Field(1).(*array.Int16Builder).AppendValues(make([]int16, rows-1), nil)
	b.Field(1).AppendNull()
	rec := b.NewRecord()
	defer rec.Release()
	var content bytes.Buffer
	w := ipc.NewWriter(&content, ipc.WithSchema(schema))
	require.NoError(t, w.Write(rec))
	require.NoError(t, w.Close())
	in := write(t, "traced.arrows", content.String())
	summary, trace := filepath.Join(t.TempDir(), "s.json"), filepath.Join(t.TempDir(), "trace")

	self, err := os.Executable()
	require.NoError(t, err)
	cmd := command("run", in, "--op", "describe", "--quiet", "--json", summary)
	traced := exec.Command(strace, append([]string{"-f", "-y", "-o", trace, "-e", "trace=read,pread64,readv,preadv,mmap", self}, cmd.Args[1:]...)...)
	traced.Env = cmd.Env
	out, err := traced.CombinedOutput()
	require.NoError(t, err, string(out))
	var s struct {
		BytesCopied int64 `json:"bytes_copied"`
	}
	text, err := os.ReadFile(summary)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, &s))
	require.Equal(t, int64(rows*8+rows*2+rows/8), s.BytesCopied)

	calls, err := os.ReadFile(trace)
	require.NoError(t, err)
	read := int64(0)
	result := regexp.MustCompile(`= (\d+)$`)
	of := regexp.MustCompile(`traced\.arrows>`)
	open := map[string]bool{} // threads whose call on the file has not returned yet
	for line := range strings.SplitSeq(string(calls), "\n") {
		thread, _, _ := strings.Cut(line, " ")
		ours := of.MatchString(line) || open[thread] && strings.Contains(line, "resumed>")
		if !ours {
			continue
		}
		require.NotContains(t, line, "mmap(")
		open[thread] = strings.HasSuffix(line, "<unfinished ...>")
		if m := result.FindStringSubmatch(line); m != nil {
			n, err := strconv.ParseInt(m[1], 10, 64)
			require.NoError(t, err)
			read += n
		}
	}
	require.GreaterOrEqual(t, read, s.BytesCopied)
	require.Less(t, read, s.BytesCopied+16<<10, "more was read than was counted")
}
