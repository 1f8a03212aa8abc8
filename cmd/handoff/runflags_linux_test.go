package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/batch"
)

// inProcess runs the command in this process: what does not come as far as workers.
func inProcess(args ...string) (stdout, stderr string, code int) {
	var out, errs bytes.Buffer
	code = run(context.Background(), args, &out, &errs)
	return out.String(), errs.String(), code
}

// What is wrong with the flags is said before any work is done.
func TestRunFlags(t *testing.T) {
	d := t.TempDir()
	t.Chdir(d)
	require.NoError(t, os.WriteFile("in.csv", []byte("a,b,text\n1,2,x\n3,4,y\n"), 0o600))
	require.NoError(t, os.Mkdir("folder.csv", 0o700))
	require.NoError(t, os.Mkdir("folder", 0o700))
	for line, row := range map[string]struct {
		code int
		want string
	}{
		"--op zscore:x=1":                                             {2, `unknown op parameter "x" of zscore: there is none`},
		"--op rolling:widow=3":                                        {2, "there is stat, window"},
		"--op rolling:window=0":                                       {2, "expected 1 to 65536 rows"},
		"--op rolling:window=65537":                                   {2, "expected 1 to 65536 rows"},
		"--op rolling:window=x":                                       {2, "expected 1 to 65536 rows"},
		"--op rolling:stat=mode":                                      {2, "expected mean or median"},
		"--op rolling:window=2,window=3":                              {2, "once"},
		"--op rolling:window":                                         {2, "window=VALUE"},
		"--op rolling:window=":                                        {2, "window=VALUE"},
		"--op rolling:":                                               {2, "there is stat, window"},
		"--op :":                                                      {2, "unknown op"},
		"--op describe --resume":                                      {2, "--resume needs --state DIR"},
		"--op describe --keep-state":                                  {2, "--keep-state needs --state DIR"},
		"--op describe --state s":                                     {2, "--state needs --out FILE"},
		"--op describe --state s --out -":                             {2, "--state needs --out FILE"},
		"--op describe --state=":                                      {2, "--state is empty"},
		"--op describe --retries -1":                                  {2, "from 0 to 254"},
		"--op describe --retries 255":                                 {2, "from 0 to 254"},
		"--op describe --retries x":                                   {2, "from 0 to 254"},
		"--op describe --timeout 5":                                   {2, "missing unit"},
		"--op describe --timeout x":                                   {2, "invalid"},
		"--op describe --timeout -1s":                                 {2, "expected 0 or more"},
		"--op describe --mem-per-worker 0":                            {2, "0"},
		"--op describe --mem-per-worker lots":                         {2, "lots"},
		"--op describe --halt later":                                  {2, "now or soon or never"},
		"--op describe --quarantine q.json":                           {2, "name it .csv"},
		"--op describe --quarantine -":                                {2, "not -"},
		"--op describe --joblog -":                                    {2, "not -"},
		"--op describe --input-quarantine -":                          {2, "not -"},
		"--op describe --input-quarantine q.arrow":                    {2, ".csv"},
		"--op describe --quarantine in.csv":                           {2, "would be overwritten"},
		"--op describe --joblog in.csv":                               {2, "would be overwritten"},
		"--op zscore --out o.csv --quarantine o.csv":                  {2, "the same file"},
		"--op describe --input-quarantine q.csv --quarantine ./q.csv": {2, "the same file"},
		"--op describe --columns=":                                    {2, "--columns has an empty name"},
		"--op describe --columns a,,b":                                {2, "--columns has an empty name"},
		"--op describe --columns c":                                   {1, `no column "c"; the file has "a", "b", "text"`},
		"--op describe --columns a,text":                              {1, `column "text" was asked for, but is not numeric`},
		"--op zscore":                                                 {2, "--out"},
		"--op zscore --out o.parquet":                                 {1, "name it .csv for CSV, or .arrow"},
		"--op zscore --out o":                                         {1, "name it .csv for CSV, or .arrow"},
		"--op describe --out o.parquet":                               {1, "JSON, or CSV as .csv"},
		"--op describe --out o.arrow":                                 {1, "JSON, or CSV as .csv"},
		"--op zscore --out /dev/null --state s":                       {1, "cannot be written exactly once"},
		"--op zscore --out folder.csv":                                {1, "folder.csv"},
		"--op describe --quarantine folder.csv":                       {1, "folder.csv"},
		"--op describe --quarantine no/q.csv":                         {1, "cannot write the output no/q.csv"},
		"--op describe --input-quarantine no/q.csv":                   {1, "cannot write the output no/q.csv"},
		"--op describe --quarantine /dev/null.csv/x.csv":              {1, "/dev/null.csv/x.csv"},
		"--op describe --joblog folder":                               {1, "--joblog: open folder"},
		"--op describe --metrics nonsense":                            {2, "expected HOST:PORT"},
		"--op zscore --out o.csv --state folder.csv/../in.csv":        {2, "in.csv"},
	} {
		t.Run(line, func(t *testing.T) {
			isolation := "goroutine"
			if strings.Contains(line, " --quarantine ") {
				isolation = "process"
			}
			stdout, stderr, code := inProcess(append([]string{"run", "in.csv", "--isolation", isolation}, strings.Fields(line)...)...)
			require.Equal(t, row.code, code, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, row.want)
			requireShort(t, stderr)
			left, err := os.ReadDir(".")
			require.NoError(t, err)
			require.Len(t, left, 3, "something is left: %v", left)
		})
	}
}

// --columns chooses; --json - is one object on standard output, with all its fields.
func TestRunColumnsAndSummary(t *testing.T) {
	in := write(t, "in.csv", "a,b,text\n1,2,x\n3,4,y\n")
	out := filepath.Join(t.TempDir(), "out.csv")
	stdout, stderr, code := handoff(t, "run", in, "--op", "zscore", "--columns", "b", "--out", out, "--json", "-", "--workers", "1")
	require.Zero(t, code, stderr)
	got, err := os.ReadFile(out)
	require.NoError(t, err)
	require.Equal(t, "b\n-0.7071067811865476\n0.7071067811865476\n", string(got))
	require.NotContains(t, stderr, "skipped", "what was not asked for is not told of")
	dec := json.NewDecoder(strings.NewReader(stdout))
	var summary map[string]any
	require.NoError(t, dec.Decode(&summary))
	require.ErrorIs(t, dec.Decode(&summary), io.EOF)
	for field, want := range map[string]any{
		"rows": 2.0, "chunks": 1.0, "passes": 2.0, "chunks_reused": 0.0, "quarantined": 0.0, "unparsed": 0.0, "width": 1.0,
		"respawns": 0.0, "bytes_copied": 34.0 + 39, "deaths": map[string]any{}, "no_end_mark": []any{},
	} {
		require.Equal(t, want, summary[field], field)
	}
	for _, field := range []string{"workers", "wall_s", "bytes_by_ref", "attempts"} {
		require.NotEmpty(t, summary[field], field)
	}
	require.Len(t, summary, 15)
}

// A job that fails writes its summary too, with its error.
func TestFailedJobSummary(t *testing.T) {
	in := write(t, "in.csv", "x\n"+strings.Repeat("1\n", 100)+"no number\n")
	stdout, stderr, code := handoff(t, "run", in, "--op", "describe", "--quiet", "--chunk-rows", "10", "--out", filepath.Join(t.TempDir(), "out.json"), "--json", "-")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "no number")
	s := parse[struct {
		batch.Summary
		Error string
	}](t, stdout)
	require.Contains(t, s.Error, "no number")
	require.Positive(t, s.Width)
	stdout, _, code = handoff(t, "run", in+"x", "--op", "describe", "--quiet", "--out", filepath.Join(t.TempDir(), "out.json"), "--json", "-")
	require.Equal(t, 1, code)
	require.Contains(t, parse[map[string]any](t, stdout)["error"], "no such file")
}

// A message about a limit is about the flag that set it.
func TestTimeoutMessage(t *testing.T) {
	in := write(t, "in.csv", "x\n"+strings.Repeat("1\n", 300_000))
	_, stderr, code := handoff(t, "run", in, "--op", "rolling:window=65536,stat=median", "--quiet", "--timeout", "1ms", "--retries", "0", "--out", filepath.Join(t.TempDir(), "o.csv"))
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "ran longer than its time limit of 1ms")
	require.NotContains(t, stderr, "Options.")
}
