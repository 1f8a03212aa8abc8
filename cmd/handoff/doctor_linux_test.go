package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/cmd/handoff/internal/doctor"
	"example.com/handoff/shm/shmtest"
)

type findings struct {
	Checks []doctor.Check
	OK     bool
}

func (r findings) check(t *testing.T, name string) doctor.Check {
	t.Helper()
	for _, c := range r.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %q", name)
	return doctor.Check{}
}

// requireCheck holds a check against what every one promises.
func requireCheck(t *testing.T, c doctor.Check) {
	t.Helper()
	require.NotEmpty(t, c.Name)
	require.NotEmpty(t, c.Found, c.Name)
	require.NotEmpty(t, c.Values, c.Name)
	require.Contains(t, []doctor.Status{doctor.OK, doctor.Unknown, doctor.Warning, doctor.Problem}, c.Status, c.Name)
	require.Equal(t, c.Status == doctor.OK || c.Status == doctor.Unknown, c.Remedy == "", c.Name)
}

// examined runs the command and holds its report against what every one promises.
func examined(t *testing.T, cmd *exec.Cmd) findings {
	t.Helper()
	out, err := cmd.Output()
	var r findings
	require.NoError(t, json.Unmarshal(out, &r), "%v: %s", err, out)
	problems, names := 0, map[string]bool{}
	for _, c := range r.Checks {
		requireCheck(t, c)
		require.False(t, names[c.Name], c.Name)
		names[c.Name] = true
		if c.Status == doctor.Problem {
			problems++
		}
	}
	require.Equal(t, problems == 0, r.OK)
	require.Equal(t, problems == 0, err == nil)
	if err != nil {
		require.Equal(t, 1, cmd.ProcessState.ExitCode())
		requireShort(t, string(err.(*exec.ExitError).Stderr))
	}
	return r
}

func TestDoctor(t *testing.T) {
	if !shmtest.Private(t, "size=256m") {
		return
	}
	r := examined(t, command("doctor", "--json", "-"))
	require.Equal(t, doctor.OK, r.check(t, "shm").Status)
	require.Equal(t, doctor.OK, r.check(t, "shm-write").Status)
	require.Equal(t, doctor.OK, r.check(t, "shm-size").Status)
	require.Equal(t, doctor.OK, r.check(t, "leftovers").Status)
	require.Equal(t, 256.0*(1<<20), r.check(t, "shm-size").Values["bytes"])
	require.Positive(t, r.check(t, "memory").Values["available_bytes"])
	require.Positive(t, r.check(t, "processes").Values["used"])
	require.Positive(t, r.check(t, "cpus").Values["affinity"])
	require.Equal(t, doctor.OK, r.check(t, "kernel").Status)
	left, err := os.ReadDir("/dev/shm")
	require.NoError(t, err)
	require.Empty(t, left)

	file := filepath.Join(t.TempDir(), "report.json")
	stdout, _, code := handoff(t, "doctor", "--json", file)
	require.Contains(t, stdout, "shm-size       256 MiB free of 256 MiB\n")
	require.Contains(t, stdout, strconv.Itoa(len(r.Checks))+" checks: ")
	require.Equal(t, r.OK, code == 0)
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	var again findings
	require.NoError(t, json.Unmarshal(b, &again))
	require.Len(t, again.Checks, len(r.Checks))
}

func TestDoctorTooSmall(t *testing.T) {
	if !shmtest.Private(t, "size=1m") {
		return
	}
	r := examined(t, command("doctor", "--json", "-"))
	require.Equal(t, doctor.Problem, r.check(t, "shm-size").Status)
	stdout, stderr, code := handoff(t, "doctor")
	require.Equal(t, 1, code)
	require.Contains(t, stderr, "shm-size")
	require.Contains(t, stdout, "problem  shm-size       1.00 MiB free of 1.00 MiB\n                remedy: enlarge it")
	requireShort(t, stderr)
}

func TestDoctorReadOnly(t *testing.T) {
	if !shmtest.Private(t, "ro") {
		return
	}
	r := examined(t, command("doctor", "--json", "-"))
	require.Equal(t, doctor.Problem, r.check(t, "shm").Status)
	require.Contains(t, r.check(t, "shm-write").Found, unix.EROFS.Error())
}

func TestDoctorWithoutInodes(t *testing.T) {
	if !shmtest.Private(t, "nr_inodes=3") {
		return
	}
	for _, name := range []string{"a", "b", "c"} {
		os.WriteFile("/dev/shm/"+name, []byte("four"), 0o600) // until there are no inodes left
	}
	r := examined(t, command("doctor", "--json", "-"))
	require.Equal(t, doctor.Problem, r.check(t, "shm-inodes").Status)
	require.Equal(t, 0.0, r.check(t, "shm-inodes").Values["free_inodes"])
	require.Contains(t, r.check(t, "shm-write").Found, unix.ENOSPC.Error())
	others := r.check(t, "leftovers")
	require.Equal(t, doctor.OK, others.Status, others.Found)
	require.Positive(t, others.Values["other_files"])
}

// What a killed run left is found, and so is the remedy.
func TestDoctorLeftovers(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	_, cmd := startHold(t, 3)
	c := examined(t, command("doctor", "--json", "-")).check(t, "leftovers")
	require.Equal(t, doctor.OK, c.Status, c.Found)
	require.Equal(t, 1.0, c.Values["alive_runs"])
	require.Equal(t, 3.0, c.Values["alive_segments"])
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	c = examined(t, command("doctor", "--json", "-")).check(t, "leftovers")
	require.Equal(t, doctor.Warning, c.Status)
	require.Contains(t, c.Remedy, "handoff shm gc")
	require.Equal(t, 1.0, c.Values["orphan_runs"])
	require.Equal(t, 3.0, c.Values["orphan_segments"])
	require.Equal(t, 24.0*1024, c.Values["orphan_bytes"])
	require.Equal(t, 0.0, c.Values["alive_runs"])

	_, _, code := handoff(t, "shm", "gc")
	require.Zero(t, code)
	c = examined(t, command("doctor", "--json", "-")).check(t, "leftovers")
	require.Equal(t, doctor.OK, c.Status, c.Found)
}

// Another user's segments are not files of other programs.
func TestDoctorOtherUsers(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	for name, uid := range map[string]int{"handoff-0123456789abcdef01234567-1": 1, "handoff-notes": os.Getuid(), "sem.x": 1} {
		require.NoError(t, os.WriteFile("/dev/shm/"+name, []byte("four"), 0o600))
		if err := os.Chown("/dev/shm/"+name, uid, -1); err != nil {
			t.Skipf("only root can give files away: %v", err)
		}
	}
	c := examined(t, command("doctor", "--json", "-")).check(t, "leftovers")
	require.Contains(t, c.Found, "nothing of handoff's, 1 files (4 B) of other users' runs, 2 files (8 B) of other programs")
	require.Equal(t, 1.0, c.Values["other_users_files"])
}

// Limits of a real process.
func TestDoctorLimits(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command("sh", "-c", `ulimit -f 100; ulimit -n 22; exec "$0" "$@"`, exe, "doctor", "--json", "-")
	cmd.Env = append(os.Environ(), "HANDOFF_TEST_COMMAND=1")
	r := examined(t, cmd)
	require.Equal(t, doctor.Problem, r.check(t, "file-size").Status)
	require.Equal(t, doctor.Problem, r.check(t, "open-files").Status)
	require.Equal(t, 22.0, r.check(t, "open-files").Values["limit"])
	require.Equal(t, doctor.Unknown, r.check(t, "huge-pages").Status)
}
