package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool/batch"
)

// numbers makes a CSV file of the numbers from 1 to n.
func numbers(t *testing.T, n int) string {
	t.Helper()
	b := []byte("n\n")
	for i := range n {
		b = append(strconv.AppendInt(b, int64(i+1), 10), '\n')
	}
	return write(t, "numbers.csv", string(b))
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(b)
}

func summaryIn(t *testing.T, name string) (s batch.Summary) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(readFile(t, name)), &s))
	return s
}

// A row that kills its workers is left out and told of; what was left out can be an
// input of the next job.
func TestQuarantineCommand(t *testing.T) {
	in := numbers(t, 30)
	for _, ending := range []string{".csv", ".arrow"} {
		d := t.TempDir()
		at := func(name string) string { return filepath.Join(d, name) }
		args := []string{"run", in, "--op", "test-fussy:kill=13", "--chunk-rows", "10", "--workers", "1", "--quiet"}
		_, stderr, code := handoff(t, append(args, "--out", at("out.csv"), "--quarantine", at("q"+ending), "--json", at("sum.json"))...)
		require.Equal(t, 3, code, stderr)
		require.Contains(t, stderr, "1 rows that killed their workers are in "+at("q"+ending))
		require.Contains(t, stderr, "the first is row 12 of "+in)
		requireShort(t, stderr)
		require.Equal(t, strings.Replace(readFile(t, in), "13\n", "", 1), readFile(t, at("out.csv")))
		s := summaryIn(t, at("sum.json"))
		require.Equal(t, int64(1), s.Quarantined)
		require.Equal(t, int64(29), s.Rows)
		require.NotEmpty(t, s.Deaths)

		_, stderr, code = handoff(t, "run", at("q"+ending), "--op", "test-fussy", "--out", at("again.csv"), "--workers", "1")
		require.Zero(t, code, stderr)
		require.Equal(t, "n\n13\n", readFile(t, at("again.csv")))
	}
}

// With --quarantine a task that killed its worker is not tried again as it was, unless
// --retries says so.
func TestQuarantineRetries(t *testing.T) {
	in := numbers(t, 2)
	for retries, attempt := range map[string]string{"": "1", "1": "2"} {
		d := t.TempDir()
		log := filepath.Join(d, "log")
		args := []string{"run", in, "--op", "test-fussy:kill=1", "--workers", "1", "--quiet",
			"--out", filepath.Join(d, "out.csv"), "--quarantine", filepath.Join(d, "q.csv"), "--joblog", log}
		if retries != "" {
			args = append(args, "--retries", retries)
		}
		_, stderr, code := handoff(t, args...)
		require.Equal(t, 3, code, stderr)
		require.Equal(t, "n\n2\n", readFile(t, filepath.Join(d, "out.csv")))
		most := "0"
		for _, line := range strings.Split(strings.TrimSpace(readFile(t, log)), "\n")[1:] {
			most = max(most, strings.Split(line, "\t")[2])
		}
		require.Equal(t, attempt, most)
	}
}

// Lines that cannot be parsed are left out, with file, line and text; mended they are
// an input of the next job.
func TestInputQuarantineCommand(t *testing.T) {
	first := write(t, "first.csv", "a,b\n1,2\nx,4\n5,6\n7\n\"8\n8\",9\n")
	second := write(t, "second.csv", "a,b\n10,11,12\n13,14\n")
	d := t.TempDir()
	bad, sum := filepath.Join(d, "bad.csv"), filepath.Join(d, "sum.json")
	stdout, stderr, code := handoff(t, "run", first, second, "--op", "describe", "--workers", "1", "--quiet", "--input-quarantine", bad, "--json", sum)
	require.Equal(t, 3, code, stderr)
	require.Contains(t, stderr, "4 lines that cannot be parsed are in "+bad)
	requireShort(t, stderr)
	require.Regexp(t, `"count": 3,`, stdout)
	require.Equal(t, int64(4), summaryIn(t, sum).Unparsed)
	lines, err := csv.NewReader(strings.NewReader(readFile(t, bad))).ReadAll()
	require.NoError(t, err)
	require.Equal(t, [][]string{
		{"file", "line", "text"}, {first, "3", "x,4"}, {first, "5", "7"}, {first, "6", "\"8\n8\",9"}, {second, "2", "10,11,12"},
	}, lines)

	mended := "a,b\n"
	for _, line := range lines[1:] {
		mended += map[string]string{"3": "3,4", "5": "7,8", "6": "8,9", "2": "10,11"}[line[1]] + "\n"
	}
	stdout, stderr, code = handoff(t, "run", write(t, "mended.csv", mended), "--op", "describe", "--workers", "1")
	require.Zero(t, code, stderr)
	require.Contains(t, stdout, `"count": 4,`)

	_, stderr, code = handoff(t, "run", first, "--op", "describe", "--workers", "1")
	require.Equal(t, 1, code, "without the flag it is an error")
	require.Contains(t, stderr, "first.csv:3")
	require.Contains(t, stderr, "--columns")
	requireShort(t, stderr)

	job := []string{"run", first, second, "--op", "describe", "--workers", "1", "--quiet", "--out", filepath.Join(d, "out.json"), "--state", filepath.Join(d, "state"), "--keep-state"}
	_, stderr, code = handoff(t, append(job, "--input-quarantine", bad)...)
	require.Equal(t, 3, code, stderr)
	_, stderr, code = handoff(t, append(job, "--resume")...)
	require.Equal(t, 3, code, "it stays a job that has left lines out")
	require.Contains(t, stderr, fmt.Sprintf("4 lines that cannot be parsed are left out, as in an earlier run: %s:3, 5, 6, %s:2", first, second))
}

// A line for each attempt of each task, behind those of earlier runs.
func TestJoblog(t *testing.T) {
	d := t.TempDir()
	log, sum := filepath.Join(d, "log.tsv"), filepath.Join(d, "sum.json")
	want := map[string]int{"ok": 0, "signal": 0}
	check := func(args ...string) {
		t.Helper()
		began := time.Now()
		_, stderr, code := handoff(t, append([]string{"run", "--workers", "1", "--chunk-rows", "10", "--joblog", log, "--json", sum, "--out", filepath.Join(d, "out.csv")}, args...)...)
		if code == 0 {
			want["ok"] += int(summaryIn(t, sum).Attempts)
		} else {
			require.Equal(t, 1, code, stderr)
		}
		lines := strings.Split(strings.TrimSuffix(readFile(t, log), "\n"), "\n")
		require.Equal(t, "task\tfunc\tattempt\tworker\tpid\tstart\twall\tcpu\tpeak\tclass", lines[0])
		classes := map[string]int{"ok": 0, "signal": 0}
		for _, line := range lines[1:] {
			f := strings.Split(line, "\t")
			require.Len(t, f, 10, line)
			for _, i := range []int{0, 2, 3, 4, 8} {
				_, err := strconv.ParseUint(f[i], 10, 63)
				require.NoError(t, err, line)
			}
			for _, i := range []int{5, 6, 7} {
				v, err := strconv.ParseFloat(f[i], 64)
				require.NoError(t, err, line)
				require.GreaterOrEqual(t, v, 0.0, line)
			}
			require.Regexp(t, `^[\w.-]+$`, f[1])
			classes[f[9]]++
		}
		last := strings.Split(lines[len(lines)-1], "\t")
		start, _ := strconv.ParseFloat(last[5], 64)
		require.WithinRange(t, time.UnixMicro(int64(start*1e6)), began.Add(-time.Second), time.Now().Add(time.Second))
		if code == 0 {
			require.Equal(t, want, classes)
		} else {
			require.Equal(t, want["signal"], classes["signal"])
		}
	}
	in := numbers(t, 30)
	check(in, "--op", "zscore")
	check(in, "--op", "zscore")
	want["signal"] = 2 // chunk 2, and once again
	check(in, "--op", "test-fussy:kill=13", "--retries", "1")

	_, stderr, code := handoff(t, "run", in, "--op", "describe", "--joblog", "/dev/full", "--workers", "1")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "--joblog: write /dev/full: no space left on device")
	requireShort(t, stderr)
}

// A task that takes too long is killed, and is an error when it was tried often enough.
func TestTimeout(t *testing.T) {
	in := numbers(t, 30)
	d := t.TempDir()
	gate := write(t, "gate", "")
	_, stderr, code := handoff(t, "run", in, "--op", "test-fussy:wait=11,file="+gate, "--chunk-rows", "10", "--workers", "1",
		"--timeout", "50ms", "--retries", "0", "--out", filepath.Join(d, "out.csv"))
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "ran longer than")
	requireShort(t, stderr)
	require.NoFileExists(t, filepath.Join(d, "out.csv"))
}

// What --halt says happens to the other chunks when one fails. What is done stays in
// the state folder.
func TestHaltCommand(t *testing.T) {
	in := numbers(t, 60)
	for _, halt := range []string{"never", "now"} {
		d := t.TempDir()
		log := filepath.Join(d, "log")
		_, stderr, code := handoff(t, "run", in, "--op", "test-fussy:fail=13", "--chunk-rows", "10", "--workers", "1", "--halt", halt,
			"--out", filepath.Join(d, "out.csv"), "--state", filepath.Join(d, "state"), "--joblog", log)
		require.Equal(t, 1, code)
		require.Contains(t, stderr, "fussy about 13")
		require.Contains(t, stderr, "--resume")
		requireShort(t, stderr)
		require.NoFileExists(t, filepath.Join(d, "out.csv"))
		require.DirExists(t, filepath.Join(d, "state"))
		if halt == "never" {
			require.Equal(t, 6, strings.Count(readFile(t, log), "handoff.test.fussy"), "all chunks were tried")
		}
	}
}

// begin starts a command that is killed at the end of the test, if it is still there.
func begin(t *testing.T, args ...string) (*exec.Cmd, *lineReader) {
	t.Helper()
	cmd, errs := command(args...), &lineReader{}
	cmd.Stderr = errs
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { kill(cmd) })
	return cmd, errs
}

// While a job runs it tells Prometheus how it is.
func TestMetrics(t *testing.T) {
	gate := write(t, "gate", "")
	out := filepath.Join(t.TempDir(), "out.csv")
	in := numbers(t, 30)
	cmd, errs := begin(t, "run", in, "--op", "test-fussy:file="+gate, "--workers", "1", "--out", out, "--metrics", "127.0.0.1:0")
	url := errs.await(t, `http://127\.0\.0\.1:\d+/metrics`)[0]
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		resp, err := http.Get(url)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, http.StatusOK, resp.StatusCode)
		if strings.Contains(string(body), "handoff_pool_") {
			require.Contains(t, string(body), "# TYPE handoff_pool_")
			break
		}
		require.True(t, time.Now().Before(end), "no metrics: %s", body)
	}
	http.DefaultClient.CloseIdleConnections()

	taken := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/metrics")
	_, stderr, code := handoff(t, "run", in, "--op", "describe", "--metrics", taken)
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "address already in use")
	require.Contains(t, stderr, "HOST:PORT that is free")
	requireShort(t, stderr)

	require.NoError(t, os.Remove(gate))
	require.NoError(t, cmd.Wait(), errs)
	_, err := net.Dial("tcp", taken)
	require.ErrorIs(t, err, unix.ECONNREFUSED)
}

// The first signal lets the chunks that run end and says how to go on, which gives
// the same bytes; the second ends at once. What is done by then is kept.
func TestSignalsWithState(t *testing.T) {
	in := numbers(t, 300)
	for _, twice := range []bool{false, true} {
		t.Run(fmt.Sprintf("twice=%v", twice), func(t *testing.T) {
			d, gate := t.TempDir(), write(t, "gate", "")
			out, sum, log := filepath.Join(d, "out.csv"), filepath.Join(d, "sum.json"), filepath.Join(d, "log")
			args := []string{"run", in, "--op", "test-fussy:wait=41,file=" + gate, "--chunk-rows", "10", "--workers", "1",
				"--out", out, "--state", filepath.Join(d, "state"), "--json", sum, "--joblog", log}
			cmd, errs := begin(t, args...)
			for end := time.Now().Add(30 * time.Second); ; time.Sleep(2 * time.Millisecond) {
				b, _ := os.ReadFile(log)
				if bytes.Count(b, []byte("handoff.test.fussy")) == 4 { // the fifth waits
					break
				}
				require.True(t, time.Now().Before(end), "the job does not begin: %s", errs)
			}
			require.NoError(t, cmd.Process.Signal(unix.SIGINT))
			errs.await(t, "stopping: .*second signal")
			if twice {
				require.NoError(t, cmd.Process.Signal(unix.SIGINT))
			} else {
				require.NoError(t, os.Remove(gate))
			}
			cmd.Wait()
			require.Equal(t, 130, cmd.ProcessState.ExitCode(), errs)
			require.Contains(t, errs.String(), "by the same command with --resume")
			require.NoFileExists(t, out)
			require.Empty(t, filesOf(t, cmd.Process.Pid))

			_, stderr, code := handoff(t, args...)
			require.Equal(t, 1, code, "without --resume")
			require.Contains(t, stderr, "--resume")
			requireShort(t, stderr)

			os.Remove(gate)
			_, stderr, code = handoff(t, append(args, "--resume", "--keep-state", "--quiet")...)
			require.Zero(t, code, stderr)
			require.Empty(t, stderr)
			require.Equal(t, readFile(t, in), readFile(t, out))
			s := summaryIn(t, sum)
			require.Equal(t, int64(30), s.Chunks)
			require.GreaterOrEqual(t, s.ChunksReused, map[bool]int64{false: 5, true: 0}[twice])
			require.Less(t, s.ChunksReused, int64(30))

			_, stderr, code = handoff(t, append(args, "--resume")...)
			require.Zero(t, code, stderr)
			require.Contains(t, stderr, "is finished: nothing was done")
			require.Equal(t, int64(30), summaryIn(t, sum).ChunksReused)
		})
	}
}

// Without --state SIGTERM ends at once, as it ever did, and leaves nothing.
func TestSignalWithoutState(t *testing.T) {
	d, gate := t.TempDir(), write(t, "gate", "")
	cmd, errs := begin(t, "run", numbers(t, 30), "--op", "test-fussy:file="+gate, "--workers", "1", "--out", filepath.Join(d, "out.csv"))
	workersOf(t, cmd.Process.Pid, 1)
	require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
	cmd.Wait()
	require.Equal(t, 128+int(unix.SIGTERM), cmd.ProcessState.ExitCode(), errs)
	require.Equal(t, "handoff: interrupted\n", errs.String())
	left, err := os.ReadDir(d)
	require.NoError(t, err)
	require.Empty(t, left)
	require.Empty(t, filesOf(t, cmd.Process.Pid))
}

// --resume where there is nothing says so and starts from the beginning.
func TestResumeFromStart(t *testing.T) {
	d := t.TempDir()
	_, stderr, code := handoff(t, "run", numbers(t, 30), "--op", "describe", "--out", filepath.Join(d, "out.json"), "--state", filepath.Join(d, "state"), "--resume", "--workers", "1")
	require.Zero(t, code, stderr)
	require.Contains(t, stderr, "no journal in "+filepath.Join(d, "state")+": started from the beginning")
	left, err := os.ReadDir(d)
	require.NoError(t, err)
	require.Len(t, left, 1, "%v", left)
}
