package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool/batch"
	"example.com/handoff/shm/shmtest"
)

// Every output of a job is looked at before the work: the job log, which each task
// writes to, is not there afterwards.
func TestOutputsAreLookedAtFirst(t *testing.T) {
	if !shmtest.Private(t, "") { // for the mounts
		return
	}
	in := numbers(t, 30)
	d := t.TempDir()
	t.Chdir(d)
	for _, name := range []string{"source", "mount.csv", "mount.json"} {
		require.NoError(t, os.WriteFile(name, nil, 0o600))
	}
	for _, name := range []string{"mount.csv", "mount.json"} {
		require.NoError(t, unix.Mount("source", name, "", unix.MS_BIND, ""))
		t.Cleanup(func() { unix.Unmount(filepath.Join(d, name), unix.MNT_DETACH) })
	}
	require.NoError(t, os.Symlink("none/x.csv", "dangling.csv"))
	long := strings.Repeat("中", 84) + ".csv" // 256 bytes
	for _, row := range [][2]string{
		{"--out mount.csv", "it is a mount point"},
		{"--out o.csv --json mount.json", "it is a mount point"},
		{"--out o.csv --quarantine mount.csv", "it is a mount point"},
		{"--out o.csv --input-quarantine mount.csv", "it is a mount point"},
		{"--out dangling.csv", "cannot write the output dangling.csv: no such file"},
		{"--out o.csv --json dangling.csv", "cannot write the output dangling.csv: no such file"},
		{"--out " + long, "file name too long"},
		{"--out o.csv --json " + long, "file name too long"},
	} {
		args := append([]string{"run", in, "--op", "zscore", "--joblog", "log", "--workers", "1"}, strings.Fields(row[0])...)
		_, stderr, code := handoff(t, args...)
		require.Equal(t, 1, code, row[0])
		require.Contains(t, stderr, row[1], row[0])
		requireShort(t, stderr)
		require.NoFileExists(t, "log", row[0])
		require.NoFileExists(t, "o.csv", row[0])
	}
}

// What a name leads to is written, and a file that has two names is refused.
func TestOutputNames(t *testing.T) {
	in := numbers(t, 30)
	d := t.TempDir()
	t.Chdir(d)
	require.NoError(t, os.Mkdir("scratch", 0o700))
	for name, target := range map[string]string{"z.csv": "scratch/z.csv", "sum.json": "scratch/sum.json", "folder": "scratch"} {
		require.NoError(t, os.Symlink(target, name))
	}
	long := strings.Repeat("中", 80) + ".csv" // 244 bytes
	_, stderr, code := handoff(t, "run", in, "--op", "zscore", "--out", "z.csv", "--json", "sum.json", "--workers", "1")
	require.Zero(t, code, stderr)
	_, stderr, code = handoff(t, "run", in, "--op", "zscore", "--out", long, "--workers", "1")
	require.Zero(t, code, stderr)
	require.Equal(t, readFile(t, "scratch/z.csv"), readFile(t, long))
	for _, name := range []string{"z.csv", "sum.json"} {
		info, err := os.Lstat(name)
		require.NoError(t, err)
		require.NotZero(t, info.Mode()&os.ModeSymlink, name)
		require.FileExists(t, filepath.Join("scratch", name))
	}

	require.NoError(t, os.Link("scratch/sum.json", "hard.json"))
	require.NoError(t, os.Symlink(in, "in.csv"))
	for _, flags := range []string{
		"--out new.csv --json " + d + "/new.csv",
		"--out scratch/new.csv --json folder/new.csv",
		"--out hard.json --json sum.json",
		"--out o.csv --joblog hard.json --json sum.json",
		"--out o.csv --quarantine scratch/q.csv --input-quarantine folder/q.csv",
		"--out o.csv --state scratch --joblog folder/journal",
		"--out o.csv --joblog in.csv",
		"--out in.csv",
	} {
		_, stderr, code := inProcess(append([]string{"run", in, "--op", "describe"}, strings.Fields(flags)...)...)
		require.Equal(t, exitUsage, code, "%s: %s", flags, stderr)
		require.NoFileExists(t, "o.csv")
	}
	for _, flags := range []string{"--json - --out z.csv", "--joblog z.csv", "--json - --out /dev/stdout"} { // into z.csv
		cmd := command(append([]string{"run", in, "--op", "describe"}, strings.Fields(flags)...)...)
		out, err := os.Create("z.csv")
		require.NoError(t, err)
		cmd.Stdout = out
		require.Error(t, cmd.Run())
		require.Equal(t, exitUsage, cmd.ProcessState.ExitCode(), flags)
		require.NoError(t, out.Close())
	}
}

// What a process that was killed has left of --json is taken away by the next one.
func TestSummaryLeftover(t *testing.T) {
	d := t.TempDir()
	t.Chdir(d)
	require.NoError(t, os.WriteFile(".sum.json.handoff-new-0", []byte("{"), 0o644))
	_, stderr, code := handoff(t, "run", numbers(t, 30), "--op", "describe", "--out", "out.json", "--json", "sum.json", "--workers", "1")
	require.Zero(t, code, stderr)
	left, err := filepath.Glob(".*handoff*")
	require.NoError(t, err)
	require.Empty(t, left)
}

// What an error advises can be done: an input that is mended is another job, and a
// hidden file that was touched cannot be gone on with.
func TestAdvice(t *testing.T) {
	text := readFile(t, numbers(t, 30)) + "x\n"
	in := write(t, "in.csv", text)
	d := t.TempDir()
	t.Chdir(d)
	args := []string{"run", in, "--op", "zscore", "--chunk-rows", "10", "--out", "out.csv", "--state", "st", "--workers", "1", "--quiet"}
	_, stderr, code := handoff(t, args...)
	require.Equal(t, 1, code)
	require.NotContains(t, stderr, "correct this")
	requireShort(t, stderr)
	_, stderr, code = handoff(t, append(args, "--resume", "--input-quarantine", "bad.csv")...)
	require.Equal(t, exitSome, code, stderr)
	require.Equal(t, 31, strings.Count(readFile(t, "out.csv"), "\n"))
	require.NoDirExists(t, "st")

	f := runFlags{job: batch.Job{State: "st"}}
	for _, err := range []error{fmt.Errorf("x: %w", batch.ErrStartAgain), errors.Join(fmt.Errorf("x: %w", batch.ErrStartAgain), errors.New("y"))} {
		require.Equal(t, err, f.advise(context.Background(), err, true))
	}
	for _, err := range []error{&files.RowError{Path: in, Line: 32, Reason: "x"}, fmt.Errorf("x: %w", files.ErrCorrupt)} {
		told := f.advise(context.Background(), err, true).Error()
		require.Contains(t, told, "correct the input and start again with another --state")
		require.NotContains(t, told, "correct this")
	}
	require.ErrorContains(t, f.advise(context.Background(), unix.ENOSPC, true), "--resume")
	require.Equal(t, unix.ENOSPC, f.advise(context.Background(), unix.ENOSPC, false))
}
