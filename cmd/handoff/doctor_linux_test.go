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

	"example.com/handoff/shm/shmtest"
)

type findings struct {
	Checks []check
	OK     bool
}

func (r findings) check(t *testing.T, name string) check {
	t.Helper()
	for _, c := range r.Checks {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check %q", name)
	return check{}
}

// doctor runs the command and holds its report against what every one promises.
func doctor(t *testing.T, cmd *exec.Cmd) findings {
	t.Helper()
	out, err := cmd.Output()
	var r findings
	require.NoError(t, json.Unmarshal(out, &r), "%v: %s", err, out)
	problems, names := 0, map[string]bool{}
	for _, c := range r.Checks {
		requireCheck(t, c)
		require.False(t, names[c.Name], c.Name)
		names[c.Name] = true
		if c.Status == problem {
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
	r := doctor(t, command("doctor", "--json", "-"))
	require.Equal(t, fine, r.check(t, "shm").Status)
	require.Equal(t, fine, r.check(t, "shm-write").Status)
	require.Equal(t, fine, r.check(t, "shm-size").Status)
	require.Equal(t, fine, r.check(t, "leftovers").Status)
	require.Equal(t, 256.0*(1<<20), r.check(t, "shm-size").Values["bytes"])
	require.Positive(t, r.check(t, "memory").Values["available_bytes"])
	require.Positive(t, r.check(t, "processes").Values["used"])
	require.Positive(t, r.check(t, "cpus").Values["affinity"])
	require.Equal(t, fine, r.check(t, "kernel").Status)
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
	r := doctor(t, command("doctor", "--json", "-"))
	require.Equal(t, problem, r.check(t, "shm-size").Status)
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
	r := doctor(t, command("doctor", "--json", "-"))
	require.Equal(t, problem, r.check(t, "shm").Status)
	require.Contains(t, r.check(t, "shm-write").Found, unix.EROFS.Error())
}

func TestDoctorWithoutInodes(t *testing.T) {
	if !shmtest.Private(t, "nr_inodes=3") {
		return
	}
	for _, name := range []string{"a", "b", "c"} {
		os.WriteFile("/dev/shm/"+name, []byte("four"), 0o600) // until there are no inodes left
	}
	r := doctor(t, command("doctor", "--json", "-"))
	require.Equal(t, problem, r.check(t, "shm-inodes").Status)
	require.Equal(t, 0.0, r.check(t, "shm-inodes").Values["free_inodes"])
	require.Contains(t, r.check(t, "shm-write").Found, unix.ENOSPC.Error())
	others := r.check(t, "leftovers")
	require.Equal(t, fine, others.Status, others.Found)
	require.Positive(t, others.Values["other_files"])
}

func TestDoctorWithoutShm(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	require.NoError(t, unix.Mount("tmpfs", "/dev", "tmpfs", 0, ""))
	checks, err := examine("")
	require.NoError(t, err)
	require.Equal(t, problem, checks[0].Status)
	require.Contains(t, checks[0].Found, unix.ENOENT.Error())
	for _, c := range checks {
		requireCheck(t, c)
		require.NotEqual(t, "shm-size", c.Name)
	}
}

// What a killed run left is found, and so is the remedy.
func TestDoctorLeftovers(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	_, cmd := startHold(t, 3)
	c := doctor(t, command("doctor", "--json", "-")).check(t, "leftovers")
	require.Equal(t, fine, c.Status, c.Found)
	require.Equal(t, 1.0, c.Values["alive_runs"])
	require.Equal(t, 3.0, c.Values["alive_segments"])
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	c = doctor(t, command("doctor", "--json", "-")).check(t, "leftovers")
	require.Equal(t, warning, c.Status)
	require.Contains(t, c.Remedy, "handoff shm gc")
	require.Equal(t, 1.0, c.Values["orphan_runs"])
	require.Equal(t, 3.0, c.Values["orphan_segments"])
	require.Equal(t, 24.0*1024, c.Values["orphan_bytes"])
	require.Equal(t, 0.0, c.Values["alive_runs"])

	_, _, code := handoff(t, "shm", "gc")
	require.Zero(t, code)
	c = doctor(t, command("doctor", "--json", "-")).check(t, "leftovers")
	require.Equal(t, fine, c.Status, c.Found)
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
	c := doctor(t, command("doctor", "--json", "-")).check(t, "leftovers")
	require.Contains(t, c.Found, "nothing of handoff's, 1 files (4 B) of other users' runs, 2 files (8 B) of other programs")
	require.Equal(t, 1.0, c.Values["other_users_files"])
}

// Limits of a real process.
func TestDoctorLimits(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command("sh", "-c", `ulimit -f 100; ulimit -n 22; exec "$0" "$@"`, exe, "doctor", "--json", "-")
	cmd.Env = append(os.Environ(), "HANDOFF_TEST_COMMAND=1")
	r := doctor(t, cmd)
	require.Equal(t, problem, r.check(t, "file-size").Status)
	require.Equal(t, problem, r.check(t, "open-files").Status)
	require.Equal(t, 22.0, r.check(t, "open-files").Values["limit"])
	require.Equal(t, unknown, r.check(t, "huge-pages").Status)
}

// A machine whose /proc and /sys say nothing is no reason to fail.
func TestExamineNothing(t *testing.T) {
	for _, files := range []map[string]string{nil, {
		"proc/1/status": "Uid:\nThreads: x\n", "proc/2/status": "\x00", "proc/self/status": "VmSize: lots\n",
		"proc/meminfo": "CommitLimit: x kB", "proc/sys/vm/overcommit_memory": "2\n", "proc/sys/vm/max_map_count": "-\n",
		"sys/devices/system/cpu/online": "3-1,x", "sys/kernel/mm/transparent_hugepage/hpage_pmd_size": "536870912\n",
		"proc/sys/kernel/osrelease": "\xff", "proc/sys/vm/memfd_noexec": "x",
	}} {
		checks, err := examine(tree(t, files))
		require.NoError(t, err)
		for _, c := range checks {
			requireCheck(t, c)
		}
		require.Equal(t, unknown, findings{Checks: checks}.check(t, "kernel").Status)
		require.Equal(t, unknown, findings{Checks: checks}.check(t, "mappings").Status)
	}
}

func TestTasksOf(t *testing.T) {
	root := tree(t, map[string]string{
		"proc/1/status":   "Name:\tx\nUid:\t1000\t0\t0\t0\nThreads:\t3\n",
		"proc/20/status":  "Uid:\t1000\t1000\nThreads:\t4\n",
		"proc/21/status":  "Uid:\t10001\t1000\nThreads:\t50\n",
		"proc/self/stat":  "",
		"proc/sys/status": "Uid:\t1000\nThreads:\t7\n",
	})
	require.EqualValues(t, 7, tasksOf(root, 1000))
	require.Zero(t, tasksOf(root, 1))
}

func TestCPUsOnline(t *testing.T) {
	for list, want := range map[string]int{"0\n": 1, "0-3\n": 4, "0-1,4,6-7\n": 5, "": 0, "x": 0, "3-1": 0, "0,": 0} {
		require.Equal(t, want, cpusOnline(list), list)
	}
}
