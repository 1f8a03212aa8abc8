package doctor

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm/shmtest"
)

func find(t *testing.T, checks []Check, name string) Check {
	t.Helper()
	i := slices.IndexFunc(checks, func(c Check) bool { return c.Name == name })
	require.GreaterOrEqual(t, i, 0, "no check %q", name)
	return checks[i]
}

func TestWithoutShm(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	require.NoError(t, unix.Mount("tmpfs", "/dev", "tmpfs", 0, ""))
	checks, err := examine("")
	require.NoError(t, err)
	require.Equal(t, Problem, checks[0].Status)
	require.Contains(t, checks[0].Found, unix.ENOENT.Error())
	for _, c := range checks {
		requireCheck(t, c)
		require.NotEqual(t, "shm-size", c.Name)
	}
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
		require.Equal(t, Unknown, find(t, checks, "kernel").Status)
		require.Equal(t, Unknown, find(t, checks, "mappings").Status)
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
