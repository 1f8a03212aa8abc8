package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/cmd/handoff/internal/chaos"
	"example.com/handoff/pool/journal"
)

// chaosJobOf is a job of some tenths of a second, in a folder of its own.
func chaosJobOf(t *testing.T, rows int) (dir, in string) {
	t.Helper()
	in = bigCSV(t, rows)
	return filepath.Dir(in), in
}

// nothingBeside holds a folder to have the input and what else is named.
func nothingBeside(t *testing.T, dir string, more ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.ElementsMatch(t, append([]string{"big.csv"}, more...), names)
}

// A job under all faults is the same job, and the user's own output is left alone.
func TestChaos(t *testing.T) {
	rows, rounds := 100_000, 2
	if os.Getenv("HANDOFF_SOAK") != "" {
		rows, rounds = 1_000_000, 20
	}
	dir, in := chaosJobOf(t, rows)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "z.arrow"), []byte("of the user"), 0o600))
	stdout, stderr, code := handoff(t, "chaos", "--seed", "11", "--rounds", fmt.Sprint(rounds), "--json", "-", "--", "run", in,
		"--op", "zscore", "--out", filepath.Join(dir, "z.arrow"), "--workers", "2", "--chunk-rows", fmt.Sprint(rows/100))
	require.Zero(t, code, stderr)
	var r chaos.Report
	require.NoError(t, json.Unmarshal([]byte(stdout), &r), stdout)
	t.Log(stdout)
	require.Equal(t, chaos.Good, r.Verdict)
	require.Equal(t, uint64(11), r.Seed)
	require.Len(t, r.Rounds, rounds)
	require.Empty(t, r.Residue)
	require.True(t, r.SameBytes)
	require.Positive(t, r.Dealt())
	require.Positive(t, r.Undisturbed.Chunks)
	for _, round := range r.Rounds {
		require.Equal(t, r.Undisturbed.Chunks, round.Chunks)
		require.LessOrEqual(t, round.Reused, round.Chunks)
		require.GreaterOrEqual(t, round.Attempts, r.Undisturbed.Attempts)
	}
	nothingBeside(t, dir, "z.arrow")
	b, err := os.ReadFile(filepath.Join(dir, "z.arrow"))
	require.NoError(t, err)
	require.Equal(t, "of the user", string(b))
	if rounds > 2 {
		for f, n := range r.Faults {
			require.Positive(t, n, f)
		}
	}
}

// Each fault alone hits, and the job gets over it.
func TestChaosEachFault(t *testing.T) {
	for _, k := range chaos.Kinds {
		t.Run(string(k.Name), func(t *testing.T) {
			t.Parallel()
			dir, in := chaosJobOf(t, 40_000)
			stdout, stderr, code := handoff(t, "chaos", "--seed", "3", "--rounds", "1", "--every", "20ms", "--faults", string(k.Name), "--json", "-", "--quiet",
				"--", "run", in, "--op", "describe", "--workers", "2", "--chunk-rows", "400")
			require.Zero(t, code, stderr)
			require.Empty(t, stderr)
			var r chaos.Report
			require.NoError(t, json.Unmarshal([]byte(stdout), &r), stdout)
			require.Positive(t, r.Faults[k.Name])
			require.Len(t, r.Faults, 1)
			switch k.Name {
			case chaos.KillSupervisor, chaos.TermSupervisor, chaos.ENOSPC:
				require.Positive(t, r.Resumes)
			case chaos.StopSupervisor, chaos.StopWorker:
				require.Zero(t, r.Resumes)
			default: // where a worker takes long to start the pool may give up
				require.Equal(t, r.Resumes, r.GaveUp)
			}
			nothingBeside(t, dir)
		})
	}
}

// inProcess runs chaos here, over runs that are processes, with a hook.
func chaosHere(t *testing.T, spoil func(round int, out string), args ...string) (r chaos.Report, stdout string, err error) {
	t.Helper()
	t.Setenv("HANDOFF_TEST_COMMAND", "1") // for the runs
	s := streams{io.Discard, io.Discard}
	f := &chaosFlags{seed: 9, rounds: 2, quiet: true}
	test, err := newChaosTest(s, f, false, args)
	require.NoError(t, err)
	test.Spoil = spoil
	var out bytes.Buffer
	err = runChaos(t.Context(), streams{&out, io.Discard}, f, test)
	return test.Report, out.String(), err
}

// A job that does not give the same is found, and the evidence kept.
func TestChaosFindsABadJob(t *testing.T) {
	for name, row := range map[string]struct {
		spoil func(out string) error
		want  string
	}{
		"another byte": {func(out string) error {
			b, err := os.ReadFile(filepath.Join(out, "z.csv"))
			b[len(b)-2] ^= 1
			return errors.Join(err, os.WriteFile(filepath.Join(out, "z.csv"), b, 0o600))
		}, "z.csv differs from byte "},
		"a row too few": {func(out string) error {
			b, err := os.ReadFile(filepath.Join(out, "z.csv"))
			b = b[:bytes.LastIndexByte(b[:len(b)-1], '\n')+1]
			return errors.Join(err, os.WriteFile(filepath.Join(out, "z.csv"), b, 0o600))
		}, "(line 8002), where it goes on without faults"},
		"no output": {func(out string) error { return os.Remove(filepath.Join(out, "z.csv")) }, "z.csv is missing"},
		"a temporary file": {func(out string) error {
			return os.WriteFile(filepath.Join(out, ".z.csv.handoff-0"), nil, 0o600)
		}, "have left 1 things"},
		"a chunk twice": {func(out string) error { return doubleChunk(filepath.Join(filepath.Dir(out), chaos.StateDir)) }, "1 chunks were committed twice"},
		"no journal": {func(out string) error {
			return os.RemoveAll(filepath.Join(filepath.Dir(out), chaos.StateDir))
		}, "the journal cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, in := chaosJobOf(t, 8_001)
			r, stdout, err := chaosHere(t, func(_ int, out string) { require.NoError(t, row.spoil(out)) },
				in, "--op", "zscore", "--out", filepath.Join(dir, "z.csv"), "--workers", "2", "--chunk-rows", "400")
			var bad *errChaosBad
			require.ErrorAs(t, err, &bad)
			require.Contains(t, err.Error(), row.want)
			require.Contains(t, err.Error(), "handoff chaos --seed 9 --rounds 2 --every ")
			require.Equal(t, chaos.Bad, r.Verdict)
			require.Len(t, r.Rounds, 1, "it stops at the first bad round")
			require.Contains(t, stdout, "verdict: bad")
			require.Equal(t, dir, filepath.Dir(r.Evidence))
			require.FileExists(t, filepath.Join(r.Evidence, "undisturbed", chaos.OutDir, "z.csv"))
			require.Equal(t, name == "a chunk twice", r.Duplicated == 1)
			nothingBeside(t, dir, filepath.Base(r.Evidence))
		})
	}
}

// doubleChunk commits a chunk of a job that is done once more.
func doubleChunk(state string) error {
	j, err := journal.Open(state, nil)
	if err != nil {
		return err
	}
	for rec, err := range j.Records() {
		if err == nil && rec[0] == 'C' {
			err = j.Append(bytes.Clone(rec))
			return errors.Join(err, j.Close())
		}
	}
	return errors.Join(errors.New("no chunk"), j.Close())
}

// A job that no fault has hit is not a good one, and one that fails is the job's fault.
func TestChaosOfNothing(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	in := write(t, "one.csv", "a\n1\n")
	stdout, stderr, code := handoff(t, "chaos", "--quiet", "--rounds", "1", "--every", "1h", "--", "run", in, "--op", "describe")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "no fault has hit the job")
	require.Contains(t, stdout, "verdict: bad")
	requireShort(t, stderr)
	evidence, err := filepath.Glob(filepath.Join(tmp, ".handoff-chaos-*"))
	require.NoError(t, err)
	require.Empty(t, evidence, "there is nothing to see in it")

	_, stderr, code = handoff(t, "chaos", "--", "run", filepath.Join(t.TempDir(), "none.csv"), "--op", "describe")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "fails without faults")
	require.Contains(t, stderr, "no such file")
	requireShort(t, stderr)
}

func TestChaosCommandLines(t *testing.T) {
	good := write(t, "good.csv", "a\n1\n")
	for line, want := range map[string]string{
		"":                                    "a job is needed after --",
		"run " + good + " --op describe":      "unknown flag: --op",
		"--":                                  "a job is needed after --",
		"x -- run " + good:                    `unexpected argument "x"`,
		"-- bench":                            `not "bench"`,
		"-- run":                              "an input file is needed",
		"-- run " + good:                      "--op is needed",
		"-- run " + good + " --op frobnicate": "unknown op",
		"-- run " + good + " --op describe --nope":                                  "unknown flag: --nope",
		"-- run " + good + " --op describe --state x":                               "run --state: leave it out",
		"-- run " + good + " --op describe --out x --state x --resume":              "leave it out",
		"-- run " + good + " --op describe --json x":                                "run --json: leave it out",
		"-- run " + good + " --op describe --joblog x":                              "run --joblog: leave it out",
		"-- run " + good + " --op describe --isolation goroutine":                   "worker processes",
		"-- run " + good + " --op describe --out " + good:                           "would be overwritten",
		"-- run " + good + " --op describe --out /dev/null":                         "regular file",
		"-- run " + good + " --op zscore":                                           "rows need a file: give --out FILE",
		"-- run --help":                                                             "handoff run --help",
		"--faults telepathy -- run " + good + " --op describe":                      `unknown fault "telepathy", expected some of kill-worker,`,
		"--faults enospc,enospc -- run " + good + " --op describe":                  "there twice",
		"--faults= -- run " + good + " --op describe":                               "--faults is empty",
		"--faults segv-worker -- run " + good + " --op describe --quarantine q.csv": "rows would be left out",
		"--rounds 0 -- run " + good + " --op describe":                              "from 1 to",
		"--every -1s -- run " + good + " --op describe":                             "0 or more",
		"--seed x -- run " + good + " --op describe":                                "invalid argument",
	} {
		t.Run(line, func(t *testing.T) {
			stdout, stderr, code := handoff(t, append([]string{"chaos"}, strings.Fields(line)...)...)
			require.Equal(t, 2, code, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, want)
			requireShort(t, stderr)
		})
	}
}

// What is said after a -- in the job stays an input.
func TestChaosJobCommand(t *testing.T) {
	in := write(t, "in.csv", "a\n1\n")
	j, _, err := readChaosJob(streams{io.Discard, io.Discard}, []string{"--op", "describe", "--retries", "1", "--", in, in})
	require.NoError(t, err)
	got := j.Command("/d", true, true)
	require.Equal(t, []string{"--", in, in}, got[len(got)-3:])
	require.Contains(t, got, "/d/out/result.json")
	require.NotContains(t, got, "254")
	j, _, err = readChaosJob(streams{io.Discard, io.Discard}, []string{in, "--op", "describe", "--out", "x/y.csv", "--input-quarantine", "q.csv"})
	require.NoError(t, err)
	got = j.Command("/d", false, false)
	require.Contains(t, got, "/d/out/y.csv")
	require.Contains(t, got, "/d/out/input-quarantine-q.csv")
	require.Contains(t, got, "254")
	require.NotContains(t, got, "--state")
}

// startChaos starts a test of a job that lasts, and returns when its first run under
// faults, which do not end it, has workers.
func startChaos(t *testing.T) (cmd *exec.Cmd, dir string, supervisor int, workers []int, stderr func() string) {
	t.Helper()
	dir, in := chaosJobOf(t, 400_000)
	cmd = command("chaos", "--seed", "1", "--faults", "stop-worker", "--every", "20ms", "--", "run", in, "--op", "describe", "--workers", "2", "--chunk-rows", "1000")
	cmd.Env = append(cmd.Env, "TMPDIR="+dir)
	said, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	require.NoError(t, err)
	defer said.Close()
	cmd.Stderr = said
	stderr = func() string { b, _ := os.ReadFile(said.Name()); return string(b) }
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { kill(cmd) })
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if found, _ := filepath.Glob(filepath.Join(dir, ".handoff-chaos-*/round-1/state/journal")); len(found) > 0 {
			break
		}
		require.True(t, time.Now().Before(end), stderr())
	}
	supervisor = workersOf(t, cmd.Process.Pid, 1)[0]
	return cmd, dir, supervisor, workersOf(t, supervisor, 1), stderr
}

func dead(pid int) bool { return unix.Kill(pid, 0) != nil || zombie(pid) }

// A signal ends the runs, their workers and their folder.
func TestChaosInterrupted(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM} {
		cmd, dir, supervisor, workers, stderr := startChaos(t)
		require.NoError(t, cmd.Process.Signal(sig))
		cmd.Wait()
		require.Equal(t, 128+int(sig), cmd.ProcessState.ExitCode(), stderr())
		require.Contains(t, stderr(), "interrupted")
		require.NotContains(t, stderr(), "panic")
		for _, pid := range append(workers, supervisor) {
			require.True(t, dead(pid), "process %d lives", pid)
		}
		require.Empty(t, filesOf(t, supervisor))
		nothingBeside(t, dir)
	}
}

// A chaos that is killed takes its run with it.
func TestChaosKilled(t *testing.T) {
	cmd, _, supervisor, workers, _ := startChaos(t)
	kill(cmd)
	pids := append(workers, supervisor)
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if !slices.ContainsFunc(pids, func(pid int) bool { return !dead(pid) }) {
			break
		}
		require.True(t, time.Now().Before(end), "some of %v live", pids)
	}
	// A worker that was started after the look at them may live for up to 2 s, and its
	// run is somebody's as long.
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		_, stderr, code := handoff(t, "shm", "gc")
		require.Zero(t, code, stderr)
		left := filesOf(t, supervisor)
		if len(left) == 0 {
			break
		}
		require.True(t, time.Now().Before(end), "%v are left", left)
	}
}
