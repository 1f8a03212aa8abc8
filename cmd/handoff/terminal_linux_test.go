package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Every verb ends on a terminal. Those that show progress show it from 0 % to 100 %, the
// others write no escape codes.
func TestVerbsOnTerminal(t *testing.T) {
	in, d := bigCSV(t, 3000), t.TempDir()
	at := func(name string) string { return filepath.Join(d, name) }
	job := func(before string, after ...string) []string {
		args := strings.Fields(before + " run --workers 2 --chunk-rows 100")
		return append(append(args, in, "--op"), after...)
	}
	classify := []string{"classify", "--costs", "none", "--repeat", "1"}
	rows := map[string]struct {
		bar  bool
		most int // the highest exit code
		args []string
	}{
		"run":          {true, 0, job("", "describe")},
		"run passes":   {true, 0, job("", "zscore", "--out", at("zscore.csv"))},
		"run state":    {true, 0, job("", "rolling:window=5", "--out", at("rolling.arrow"), "--state", at("state"))},
		"run quiet":    {false, 0, job("", "describe", "--quiet")},
		"bench":        {true, 0, strings.Fields("bench --sizes 64B,4KiB --strategies pipe-raw,shm-resident --count 5")},
		"bench memory": {true, 0, strings.Fields("bench --memory --sizes 8MiB")},
		"classify":     {false, 0, append(slices.Clone(classify), "--", "sleep", "0.1")},
		"classify op":  {false, 1, append(slices.Clone(classify), "--op", "describe", in)}, // may be too short to judge
		"chaos":        {true, 0, job("chaos --rounds 1 --faults kill-worker,kill-supervisor --every 5ms --seed 7 --", "describe")},
		"tune":         {true, 0, job("tune --rounds 6 --max-width 4 --", "describe", "--isolation", "goroutine")},
		"shm ls":       {false, 0, strings.Fields("shm ls")},
		"shm stat":     {false, 1, strings.Fields("shm stat handoff-none-0")},
		"shm rm":       {false, 1, strings.Fields("shm rm handoff-none-0")},
		"shm gc":       {false, 0, strings.Fields("shm gc")},
		"doctor":       {false, 1, strings.Fields("doctor")}, // depends on the machine
		"help":         {false, 0, strings.Fields("help run")},
	}
	requireAllVerbs(t, func(verb string) bool { _, ok := rows[verb]; return ok })
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt := onTerminal(t, 80, nil, row.args...)
			require.LessOrEqual(t, tt.ends(t), row.most, "%q", tt.all())
			requireNothingOf(t, tt.Process.Pid)
			if !row.bar {
				require.NotContains(t, tt.all(), "\x1b")
				return
			}
			percents := requireBar(t, tt.all(), 80)
			require.Equal(t, 100, percents[len(percents)-1])
		})
	}
}

// requireAllVerbs holds a table against what the help lists.
func requireAllVerbs(t *testing.T, has func(verb string) bool) {
	t.Helper()
	for _, parent := range []string{"", "shm"} {
		help, _, code := handoff(t, append(strings.Fields(parent), "--help")...)
		require.Zero(t, code)
		_, list, ok := strings.Cut(help, "Available Commands:\n")
		require.True(t, ok)
		list, _, _ = strings.Cut(list, "\n\n")
		for line := range strings.Lines(list) {
			verb := strings.TrimSpace(parent + " " + strings.Fields(line)[0])
			require.True(t, has(verb) || verb == "shm", "the verb %q is not tried on a terminal", verb)
		}
	}
}

// gatedJob is a job that waits at row 101 of 300, and how to let it go on.
func gatedJob(t *testing.T, more ...string) (args []string, open func()) {
	t.Helper()
	gate := write(t, "gate", "")
	args = []string{"run", numbers(t, 300), "--op", "test-fussy:wait=101,file=" + gate, "--chunk-rows", "10", "--workers", "1", "--retries", "0"}
	return append(args, more...), func() { require.NoError(t, os.Remove(gate)) }
}

// The bar moves with the work, in whatever columns the terminal has.
func TestBarMoves(t *testing.T) {
	for _, columns := range []int{20, 80, 200} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out.csv")
			args, open := gatedJob(t, "--out", out)
			tt := onTerminal(t, columns, nil, args...)
			tt.out.await(t, `\b[1-9]\d?%`)
			open()
			require.Zero(t, tt.ends(t), tt.all())
			percents := requireBar(t, tt.all(), columns)
			require.Equal(t, 100, percents[len(percents)-1])
			require.GreaterOrEqual(t, len(percents), 3, "it does not move: %v", percents)
			require.Contains(t, tt.all(), "300 rows in 30 chunks")
		})
	}
}

// What is drawn after the terminal was made narrow fits into it.
func TestResized(t *testing.T) {
	args, open := gatedJob(t, "--out", filepath.Join(t.TempDir(), "out.csv"))
	tt := onTerminal(t, 120, nil, args...)
	tt.out.await(t, `\b[1-9]\d?%.*rows`)
	tt.resize(t, 20)
	before := len(tt.out.String())
	open()
	require.Zero(t, tt.ends(t), tt.all())
	requireBar(t, tt.all(), 120)
	_, after, _ := strings.Cut(tt.all()[before:], "\r")
	for _, f := range framesOf.FindAllStringSubmatch("\r"+after, -1) {
		require.Less(t, len(f[1]), 20, "%q", f[1])
	}
	require.Contains(t, after, "100%")
}

// A terminal that knows no escape codes gets lines.
func TestDumbTerminal(t *testing.T) {
	for _, name := range []string{"dumb", ""} {
		args, open := gatedJob(t, "--out", filepath.Join(t.TempDir(), "out.csv"))
		tt := onTerminal(t, 80, []string{"TERM=" + name}, args...)
		tt.out.await(t, `test-fussy: \d+% \d+ rows.*\r\n`)
		open()
		require.Zero(t, tt.ends(t), tt.all())
		require.NotContains(t, tt.all(), "\x1b")
		require.Empty(t, regexp.MustCompile(`\r[^\n]`).FindString(tt.all()))
	}
}

// interruptions are all ways in which a terminal ends a command.
var interruptions = map[string]struct {
	code int
	do   func(t *testing.T, tt *terminal)
}{
	"control-C": {130, func(t *testing.T, tt *terminal) { tt.press(t, controlC) }},
	"SIGTERM":   {143, func(t *testing.T, tt *terminal) { require.NoError(t, tt.Process.Signal(unix.SIGTERM)) }},
	"SIGHUP":    {129, func(t *testing.T, tt *terminal) { require.NoError(t, tt.Process.Signal(unix.SIGHUP)) }},
	"closed":    {129, func(t *testing.T, tt *terminal) { require.NoError(t, tt.master.Close()) }},
	"impatience": {130, func(t *testing.T, tt *terminal) {
		for range 50 {
			tt.press(t, controlC)
			time.Sleep(time.Millisecond)
		}
	}},
}

// One signal ends a verb on a terminal, as does the end of the terminal: nothing is left,
// whatever comes after it.
func TestInterruptedOnTerminal(t *testing.T) {
	jobs := map[string]func(t *testing.T, d string) []string{
		"run": func(t *testing.T, d string) []string {
			args, _ := gatedJob(t, "--out", filepath.Join(d, "out.csv"))
			return args
		},
		"chaos": func(t *testing.T, d string) []string {
			args, _ := gatedJob(t, "--out", filepath.Join(d, "out.csv"))
			return append([]string{"chaos", "--rounds", "1", "--"}, args...)
		},
		"tune": func(t *testing.T, d string) []string {
			args, _ := gatedJob(t, "--out", filepath.Join(d, "out.csv"))
			return append([]string{"tune", "--max-width", "2", "--"}, args...)
		},
		"bench": func(*testing.T, string) []string { return []string{"bench"} },
	}
	for name, job := range jobs {
		for how, by := range interruptions {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				d := t.TempDir()
				tt := onTerminal(t, 80, nil, job(t, d)...)
				tt.out.await(t, `\d%`)
				workersOf(t, tt.Process.Pid, 1)
				by.do(t, tt)
				require.Equal(t, by.code, tt.ends(t), "%q", tt.out.String())
				requireNothingOf(t, tt.Process.Pid)
				left, err := os.ReadDir(d)
				require.NoError(t, err)
				require.Empty(t, left)
			})
		}
	}
}
