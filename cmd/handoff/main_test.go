package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

// TestMain turns the test binary into the command itself, or into a program that
// holds segments.
func TestMain(m *testing.M) {
	if os.Getenv("HANDOFF_TEST_COMMAND") != "" || os.Getenv("HANDOFF_WORKER") != "" {
		main()
	}
	if n := os.Getenv("HANDOFF_TEST_HOLD"); n != "" {
		hold(n)
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // for the commands: each would sleep for a second
	cache, err := os.MkdirTemp("", "handoff-cache-")              // what classify keeps is not the user's
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if dir, err := os.UserCacheDir(); err == nil && os.Getenv("GOCACHE") == "" {
		os.Setenv("GOCACHE", filepath.Join(dir, "go-build")) // programs of tests are built from what is compiled already
	}
	os.Setenv("XDG_CACHE_HOME", cache)
	code := m.Run()
	os.RemoveAll(cache)
	os.Exit(code)
}

// hold makes a run with n segments, of 4 KiB, 8 KiB and so on, says its id and
// waits to be killed: what a test binary does that was started by startHold.
func hold(n string) {
	segments, _ := strconv.Atoi(n)
	r, err := shm.NewRun()
	for i := 1; i <= segments && err == nil; i++ {
		_, err = r.Create(int64(i) << 12)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(r.ID())
	time.Sleep(time.Hour)
}

// startHold starts a program that holds n segments and returns once it does. It
// is killed at the end of the test, if not before.
func startHold(t *testing.T, n int) (id string, cmd *exec.Cmd) {
	t.Helper()
	cmd = exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "HANDOFF_TEST_HOLD="+strconv.Itoa(n))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { kill(cmd) })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line), cmd
}

// kill ends a command by SIGKILL; it is dead when kill returns.
func kill(cmd *exec.Cmd) {
	cmd.Process.Kill()
	cmd.Wait()
}

// command is `handoff args…` as a process of its own.
func command(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "HANDOFF_TEST_COMMAND=1")
	return cmd
}

// A lineReader collects what a command writes to standard error.
type lineReader struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lineReader) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *lineReader) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// await waits until a text is there.
func (l *lineReader) await(t *testing.T, pattern string) []string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		if m := re.FindStringSubmatch(l.String()); m != nil {
			return m
		}
		require.True(t, time.Now().Before(end), "no %q in %q", pattern, l)
	}
}

// handoff runs the command to its end.
func handoff(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, err bytes.Buffer
	cmd := command(args...)
	cmd.Stdout, cmd.Stderr = &out, &err
	var exit *exec.ExitError
	if e := cmd.Run(); e != nil && !errors.As(e, &exit) {
		t.Fatal(e)
	}
	return out.String(), err.String(), cmd.ProcessState.ExitCode()
}

// write makes an input file.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestBadCommandLines(t *testing.T) {
	good := write(t, "good.csv", "a\n1\n")
	for line, want := range map[string]string{
		"":                  "a verb is needed",
		"benhc":             `unknown verb "benhc"`,
		"shm":               "a verb is needed",
		"shm list":          `unknown verb "list"`,
		"shm stat":          "a segment's name is needed",
		"shm rm":            "a segment's name is needed",
		"shm ls x":          `unexpected argument "x"`,
		"doctor x":          `unexpected argument "x"`,
		"doctor --json=":    "--json is empty",
		"shm ls --json=":    "--json is empty",
		"help nosuch":       `unknown verb "nosuch"`,
		"help shm nosuch":   `unknown verb "shm nosuch"`,
		"help shm ls x":     `unknown verb "shm ls x"`,
		"--version=maybe":   "invalid argument",
		"bench --nope":      "unknown flag: --nope",
		"bench --sizes 1XB": "1XB",
		"bench --sizes -5":  "-5",
		"bench --sizes 0":   "size 0",
		"bench --sizes 12":  "12",
		"run " + good + " --op describe --out x --json x":                 "the same file",
		"run " + good + " --op describe --out " + good:                    "would be overwritten",
		"run " + good + " --op describe --json=":                          "--json is empty",
		"bench --sizes=":                                                  "--sizes is empty",
		"bench --sizes":                                                   "flag needs an argument",
		"bench --strategies gob-fresh,telepathy":                          "telepathy",
		"bench --touch middle":                                            "sum or ends",
		"bench --count 0":                                                 "from 1 to",
		"bench --format xml":                                              "table or go",
		"bench --json - --format go":                                      "standard output",
		"bench --memory --sizes 4KiB":                                     "an array of 4096 bytes",
		"bench --memory --sizes 0":                                        "an array of 0 bytes",
		"bench --memory --sizes 8MiB,16MiB":                               "--memory takes one size",
		"bench --memory --count 3":                                        "--count says nothing with --memory",
		"bench x":                                                         `unexpected argument "x"`,
		"run":                                                             "an input file is needed",
		"run " + good:                                                     "--op is needed",
		"run " + good + " --op frobnicate":                                `unknown op "frobnicate": there is describe`,
		"run " + good + " --op describe --workers 0":                      "from 1 to",
		"run " + good + " --op describe --workers -1":                     "from 1 to",
		"run " + good + " --op describe --workers x":                      "from 1 to",
		"run " + good + " --op describe --workers 5000":                   "4096",
		"run " + good + " --op describe --chunk-rows 0":                   "from 1 to",
		"run " + good + " --op describe --isolation magic":                "process or goroutine",
		"run " + good + " --op describe --json -":                         "standard output",
		"run " + good + " --op describe --out - --json -":                 "standard output",
		"run " + good + " --op describe --mem-per-worker 100":             "at least 16.0 MiB",
		"run " + good + " --op describe --metrics here":                   "HOST:PORT",
		"chaos --json " + good + " -- run " + good + " --op describe":     "would be overwritten",
		"chaos --json x.csv -- run " + good + " --op zscore --out x.csv":  "the same file",
		"tune --json " + good + " -- run " + good + " --op describe":      "would be overwritten",
		"tune --json ./x.csv -- run " + good + " --op zscore --out x.csv": "the same file",
		"classify":                                                 "a command is needed",
		"classify --repeat 0 x":                                    "from 1 to",
		"classify --costs free -- x":                               "auto or fresh or none",
		"classify --op describe":                                   "--op needs one FILE",
		"classify --op describe " + good + " --json -":             "--op needs one FILE",
		"classify --op frobnicate " + good:                         `unknown op "frobnicate"`,
		"classify --cpuprofile x -- sleep 1":                       "--cpuprofile needs --op",
		"classify --cpuprofile - --op describe " + good:            "the name of a file",
		"classify --cpuprofile x --json x --op describe " + good:   "the same file",
		"classify --cpuprofile " + good + " --op describe " + good: "would be overwritten",
	} {
		t.Run(line, func(t *testing.T) {
			stdout, stderr, code := handoff(t, strings.Fields(line)...)
			require.Equal(t, 2, code, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, want)
			requireShort(t, stderr)
		})
	}
}

func requireShort(t *testing.T, stderr string) {
	t.Helper()
	require.LessOrEqual(t, strings.Count(stderr, "\n"), 3, stderr)
	require.NotContains(t, stderr, "goroutine ")
	require.NotContains(t, stderr, "panic")
}

func TestBadFiles(t *testing.T) {
	d := t.TempDir()
	at := func(name string) string { return filepath.Join(d, name) }
	put := func(name, text string) string {
		require.NoError(t, os.WriteFile(at(name), []byte(text), 0o600))
		return at(name)
	}
	arrow, err := os.ReadFile("../../testdata/small.arrow")
	require.NoError(t, err)
	require.NoError(t, os.Mkdir(at("dir.csv"), 0o700))
	good := put("good.csv", "a\n1\n")
	for name, row := range map[string]struct {
		args []string
		want string
	}{
		"missing":          {[]string{at("none.csv")}, "no such file"},
		"directory":        {[]string{at("dir.csv")}, "a directory"},
		"empty":            {[]string{put("empty.csv", "")}, "empty file"},
		"unknown type":     {[]string{put("x.dat", "hello")}, "unknown file type"},
		"truncated":        {[]string{put("cut.arrow", string(arrow[:len(arrow)/2]))}, "cut.arrow"},
		"ragged":           {[]string{put("ragged.csv", "a,b\n1,2\n3\n")}, "ragged.csv:3"},
		"bad cell":         {[]string{put("cell.csv", "a,b\n1,2\n3,x\n")}, `cell.csv:3: column 2 "b": "x" is not a number`},
		"a word first":     {[]string{put("word.csv", "a,b\n1,NA\n2,3.5\n")}, `word.csv:2: column 2 "b": "NA" is not a number, but "3.5" in line 3 is`},
		"no numbers":       {[]string{put("text.csv", "a,b\nx,y\n")}, "no column holds numbers"},
		"no header":        {[]string{put("header.csv", "1,2\n3,4\n")}, "no header"},
		"gzip":             {[]string{put("gzip.csv", "\x1f\x8b\x08\x00\x00\x00")}, "it is gzip"},
		"second is empty":  {[]string{good, put("zero.csv", "")}, "zero.csv: empty file"},
		"second differs":   {[]string{good, put("other.csv", "b\n1\n")}, `column "b"`},
		"output directory": {[]string{good, "--out", at("no/such/dir/out.json")}, "cannot write the output"},
		"output is one":    {[]string{good, "--out", at("dir.csv")}, "cannot write the output"},
		"summary file":     {[]string{good, "--out", at("out.json"), "--json", at("no/s.json")}, "cannot write the output"},
	} {
		t.Run(name, func(t *testing.T) {
			stdout, stderr, code := handoff(t, append([]string{"run", "--op", "describe"}, row.args...)...)
			require.Equal(t, 1, code, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, row.want)
			requireShort(t, stderr)
			require.NoFileExists(t, at("out.json"))
		})
	}
	left, err := filepath.Glob(at(".*"))
	require.NoError(t, err)
	require.Empty(t, left, "temporary files left")
}

func TestDescribeSmall(t *testing.T) {
	in := write(t, "in.csv", "n,text,x,late\n1,a,0.5,\n2,b,,\n4,c,1e308,\n,d,NaN,z\n")
	stdout, stderr, code := handoff(t, "run", in, "--op", "describe", "--workers", "2")
	require.Zero(t, code, stderr)
	require.JSONEq(t, `{"columns":[
		{"name":"n","dtype":"float64","count":3,"nulls":1,"mean":2.3333333333333335,"std":1.5275252316519468,"min":1,"max":4},
		{"name":"x","dtype":"float64","count":3,"nulls":1,"mean":"NaN","std":"NaN","min":"NaN","max":"NaN"}]}`, stdout)
	require.Contains(t, stderr, `skipped column "text"`)
	require.Contains(t, stderr, `skipped column "late"`)
	require.Contains(t, stderr, "4 rows in 1 chunks")

	header := write(t, "header.csv", "a,b\n")
	stdout, stderr, code = handoff(t, "run", header, "--op", "describe", "--quiet")
	require.Zero(t, code, stderr)
	require.Empty(t, stderr)
	require.JSONEq(t, `{"columns":[
		{"name":"a","dtype":"float64","count":0,"nulls":0,"mean":null,"std":null,"min":null,"max":null},
		{"name":"b","dtype":"float64","count":0,"nulls":0,"mean":null,"std":null,"min":null,"max":null}]}`, stdout)
}

// The same bytes whatever the workers, the chunks and the isolation.
func TestDescribeIsReproducible(t *testing.T) {
	big := bigCSV(t, 20000)
	for _, inputs := range [][]string{{big}, {"../../testdata/small.arrow"}, {"../../testdata/small.csv"}, {big, big}} {
		var want []byte
		for _, workers := range []string{"1", "2", "4"} {
			for _, rows := range []string{"7000", "50000"} {
				for _, isolation := range []string{"process", "goroutine"} {
					d := t.TempDir()
					out, sum := filepath.Join(d, "out.json"), filepath.Join(d, "sum.json")
					args := append([]string{"run", "--op", "describe", "--workers", workers, "--chunk-rows", rows, "--isolation", isolation, "--out", out, "--json", sum}, inputs...)
					stdout, stderr, code := handoff(t, args...)
					require.Zero(t, code, stderr)
					require.Empty(t, stdout)
					got, err := os.ReadFile(out)
					require.NoError(t, err)
					if want == nil {
						want = got
					}
					require.Equal(t, string(want), string(got), args)
					checkSummary(t, sum, isolation)
				}
			}
		}
	}
}

func checkSummary(t *testing.T, file, isolation string) {
	t.Helper()
	var s struct {
		Rows, Chunks int64
		Workers      []struct{ PID, Tasks int64 }
		BytesByRef   int64 `json:"bytes_by_ref"`
		BytesCopied  int64 `json:"bytes_copied"`
		Attempts     int64
		Deaths       map[string]int
	}
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &s))
	require.Positive(t, s.Rows)
	require.Positive(t, s.Chunks)
	require.Positive(t, s.BytesByRef)
	require.Positive(t, s.BytesCopied)
	require.Empty(t, s.Deaths)
	tasks := int64(0)
	for _, w := range s.Workers {
		tasks += w.Tasks
		require.NotEqual(t, int64(os.Getpid()), w.PID)
	}
	require.Equal(t, s.Attempts, tasks)
}

// bigCSV makes a file of n rows and 4 columns.
func bigCSV(t *testing.T, n int) string {
	t.Helper()
	var b bytes.Buffer
	b.WriteString("i,x,y,name\n")
	for i := range n {
		fmt.Fprintf(&b, "%d,%g,%g,row%d\n", i, 1/float64(i+1), 1e6*float64(i%977)/7, i)
	}
	return write(t, "big.csv", b.String())
}

// Where output goes: files appear whole, links stay links, streams are written to.
func TestOutputs(t *testing.T) {
	in := write(t, "in.csv", "a\n1\n")
	d := t.TempDir()
	at := func(name string) string { return filepath.Join(d, name) }
	want, _, code := handoff(t, "run", in, "--op", "describe")
	require.Zero(t, code)

	require.NoError(t, os.WriteFile(at("target"), []byte("old"), 0o640))
	require.NoError(t, os.Symlink("target", at("link")))
	require.NoError(t, os.Symlink("/proc/self/fd/1", at("stdout")))
	_, stderr, code := handoff(t, "run", in, "--op", "describe", "--out", at("link"))
	require.Zero(t, code, stderr)
	got, err := os.ReadFile(at("target"))
	require.NoError(t, err)
	require.Equal(t, want, string(got))
	info, err := os.Lstat(at("target"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o640), info.Mode())
	for _, name := range []string{"/dev/stdout", "/proc/self/fd/1", at("stdout")} {
		stdout, stderr, code := handoff(t, "run", in, "--op", "describe", "--out", name)
		require.Zero(t, code, stderr)
		require.Equal(t, want, stdout, name)
	}
	for _, args := range [][]string{{"run", in, "--op", "describe"}, {"shm", "ls"}, {"shm", "gc"}, {"doctor"}, {"--help"}, {"run", in, "--op", "describe", "--out", "/dev/full"}} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		require.NoError(t, err)
		var errs bytes.Buffer
		cmd := command(args...)
		cmd.Stdout, cmd.Stderr = full, &errs
		require.Error(t, cmd.Run())
		full.Close()
		require.Equal(t, 1, cmd.ProcessState.ExitCode())
		require.Contains(t, errs.String(), "cannot write the output")
	}
	left, err := os.ReadDir(d)
	require.NoError(t, err)
	require.Len(t, left, 3)
}

// What acts on a terminal is escaped.
func TestErrorsAreEscaped(t *testing.T) {
	_, stderr, code := handoff(t, "run", "a\x1b[31mb\nc.csv", "--op", "describe")
	require.Equal(t, 1, code)
	require.NotContains(t, stderr, "\x1b")
	requireShort(t, stderr)
}

func TestHelp(t *testing.T) {
	for _, verb := range []string{"bench", "classify", "run", "tune", "chaos", "shm", "shm ls", "shm stat", "shm rm", "shm gc", "doctor"} {
		stdout, stderr, code := handoff(t, append(strings.Fields(verb), "--help")...)
		require.Zero(t, code)
		require.Empty(t, stderr)
		require.Contains(t, stdout, "handoff "+verb)
		require.Contains(t, stdout, "Examples:")
		again, stderr, code := handoff(t, append([]string{"help"}, strings.Fields(verb)...)...)
		require.Zero(t, code, stderr)
		require.Equal(t, stdout, again)
	}
	root, _, code := handoff(t, "--help")
	require.Zero(t, code)
	require.Contains(t, root, "Examples:")
	again, _, code := handoff(t, "help")
	require.Zero(t, code)
	require.Equal(t, root, again)
}

func TestVersion(t *testing.T) {
	stdout, stderr, code := handoff(t, "--version")
	require.Zero(t, code, stderr)
	require.Regexp(t, `^handoff \S+.*, `+regexp.QuoteMeta(runtime.Version())+".* "+runtime.GOOS+"/"+runtime.GOARCH+`\n$`, stdout)
}
