package shm

import (
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm/shmtest"
)

// tree makes files below a folder, which stands for the root of a machine.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root, all := t.TempDir(), fstest.MapFS{}
	for name, text := range files {
		all[name] = &fstest.MapFile{Data: []byte(text), Mode: 0o600}
	}
	require.NoError(t, os.CopyFS(root, all))
	return root
}

func TestInspectCgroups(t *testing.T) {
	const none = "9223372036854771712\n" // how version 1 writes that there is no limit
	for name, row := range map[string]struct {
		files  map[string]string
		cgroup int
		memory []Limit // File without the root
		tasks  []Limit
		cpus   float64
	}{
		"nothing": {},
		"garbage": {files: map[string]string{
			"proc/self/cgroup": "x\n:::\n0::\n\x00\n7:memory", "sys/fs/cgroup/memory.max": "\xff\n",
			"sys/fs/cgroup/pids.max": "-5\n", "sys/fs/cgroup/cpu.max": "0 0\n",
		}, cgroup: 2},
		"version 2, limited above": {files: map[string]string{
			"proc/self/cgroup":                                  "0::/user.slice/job.scope\n",
			"sys/fs/cgroup/memory.stat":                         "inactive_file 7\n",
			"sys/fs/cgroup/user.slice/memory.max":               "1000\n",
			"sys/fs/cgroup/user.slice/memory.current":           "600\n",
			"sys/fs/cgroup/user.slice/memory.stat":              "anon 1\ninactive_file 50\nactive_file 9\n",
			"sys/fs/cgroup/user.slice/job.scope/memory.max":     "max\n",
			"sys/fs/cgroup/user.slice/job.scope/memory.current": "10\n",
			"sys/fs/cgroup/user.slice/pids.max":                 "100\n",
			"sys/fs/cgroup/user.slice/pids.current":             "30\n",
			"sys/fs/cgroup/user.slice/job.scope/pids.max":       "max\n",
			"sys/fs/cgroup/user.slice/cpu.max":                  "150000 100000\n",
			"sys/fs/cgroup/user.slice/job.scope/cpu.max":        "max 100000\n",
		}, cgroup: 2,
			memory: []Limit{{"/sys/fs/cgroup/user.slice/memory.max", 1000, 600, 450}},
			tasks:  []Limit{{"/sys/fs/cgroup/user.slice/pids.max", 100, 30, 70}}, cpus: 1.5},
		"version 2, both limited": {files: map[string]string{
			"proc/self/cgroup":             "0::/a/b/../b\n", // as nobody writes it, and not above the root
			"sys/fs/cgroup/a/b/memory.max": "500\n",
			"sys/fs/cgroup/a/memory.max":   "400\n",
			"sys/fs/cgroup/a/cpu.max":      "50000 100000\n",
			"sys/fs/cgroup/a/b/cpu.max":    "100000 100000\n",
		}, cgroup: 2, memory: []Limit{
			{"/sys/fs/cgroup/a/b/memory.max", 500, 0, 500}, {"/sys/fs/cgroup/a/memory.max", 400, 0, 400}}, cpus: 0.5},
		"version 1": {files: map[string]string{
			"proc/self/cgroup":                                    "5:cpu,cpuacct:/c\n4:memory:/docker/x\n3:pids:/\n1:name=systemd:/\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":          none,
			"sys/fs/cgroup/memory/docker/x/memory.stat":           "inactive_file 1\ntotal_inactive_file 100\n",
			"sys/fs/cgroup/cpu/c/cpu.cfs_quota_us":                "200000\n",
			"sys/fs/cgroup/cpu/c/cpu.cfs_period_us":               "100000\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us":                  "-1\n",
			"sys/fs/cgroup/cpu/cpu.cfs_period_us":                 "100000\n",
			"sys/fs/cgroup/pids/pids.max":                         "9\n",
			"sys/fs/cgroup/pids/pids.current":                     "8\n",
			"sys/fs/cgroup/memory/docker/x/ignored":               "",
			"sys/fs/cgroup/memory/docker/memory.stat":             "x",
			"sys/fs/cgroup/memory/docker/x/memory.max":            "1\n",
			"sys/fs/cgroup/memory/docker/x/memory.current":        "1\n",
			"sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes": "2000\n",
			"sys/fs/cgroup/memory/docker/x/memory.usage_in_bytes": "2050\n",
		}, cgroup: 1,
			memory: []Limit{{"/sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", 2000, 2050, 50}},
			tasks:  []Limit{{"/sys/fs/cgroup/pids/pids.max", 9, 8, 1}}, cpus: 2},
		"a container that sees its own group as the root": {files: map[string]string{
			"proc/self/cgroup":                           "4:memory:/docker/of/the/host\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "700\n",
			"sys/fs/cgroup/memory/memory.usage_in_bytes": "100\n",
		}, cgroup: 1, memory: []Limit{{"/sys/fs/cgroup/memory/memory.limit_in_bytes", 700, 100, 600}}},
		"both versions, memory in 1, tasks in 2": {files: map[string]string{
			"proc/self/cgroup": "0::/u\n4:memory:/m\n",
			"sys/fs/cgroup/memory/m/memory.limit_in_bytes": "5\n",
			"sys/fs/cgroup/unified/u/pids.max":             "6\n",
			"sys/fs/cgroup/unified/u/memory.max":           "7\n",
		}, cgroup: 1,
			memory: []Limit{{"/sys/fs/cgroup/memory/m/memory.limit_in_bytes", 5, 0, 5}},
			tasks:  []Limit{{"/sys/fs/cgroup/unified/u/pids.max", 6, 0, 6}}},
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, row.files)
			for _, limits := range [][]Limit{row.memory, row.tasks} {
				for i := range limits {
					limits[i].File = root + limits[i].File
				}
			}
			m, err := inspect(root)
			require.NoError(t, err)
			require.Equal(t, row.cgroup, m.Cgroup)
			require.Equal(t, row.memory, m.Memory)
			require.Equal(t, row.tasks, m.Tasks)
			require.Equal(t, row.cpus, m.CPUs)
			require.EqualValues(t, Unlimited, m.Available)
		})
	}
}

func TestInspectMountAndMemory(t *testing.T) {
	real, err := filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	const before = "/dev/sda / ext4 rw 0 0\nudev /dev devtmpfs rw,mode=755 0 0\nx /dev/shmx ext4 rw 0 0\n\nshort\n"
	for mounts, want := range map[string][2]string{
		"": {},
		before + "tmpfs " + real + " tmpfs rw,size=1k 0 0\nudev /dev devtmpfs rw 0 0\n":                   {"tmpfs", "rw,size=1k"},
		before + "tmpfs " + real + " tmpfs rw 0 0\nshm " + real + " ramfs ro,size=2k 0 0\n":               {"ramfs", "ro,size=2k"},
		"/dev/sda / ext4 rw,errors=continue 0 0\nproc /proc proc rw 0 0\nx " + real + "/y tmpfs rw 0 0\n": {"ext4", "rw,errors=continue"},
	} {
		m, err := inspect(tree(t, map[string]string{"proc/self/mounts": mounts, "proc/meminfo": "MemTotal: 9 kB\nMemAvailable:  3 kB\nSwapFree: 2 kB\n"}))
		require.NoError(t, err)
		require.Equal(t, want, [2]string{m.Mount.Type, m.Mount.Options}, mounts)
		require.EqualValues(t, 5<<10, m.Available)
	}
}

// On the real machine, with a /dev/shm of known size.
func TestInspect(t *testing.T) {
	if !shmtest.Private(t, "size=1m,nr_inodes=100") {
		return
	}
	m, err := Inspect()
	require.NoError(t, err)
	require.Equal(t, "tmpfs", m.Mount.Type)
	require.Contains(t, m.Mount.Options, "size=1024k")
	require.False(t, m.Mount.ReadOnly)
	require.EqualValues(t, 1<<20, m.Mount.Bytes)
	require.EqualValues(t, 1<<20, m.Mount.Free)
	require.EqualValues(t, 100, m.Mount.Inodes)
	inodes := m.Mount.FreeInodes
	require.Less(t, m.Available, int64(Unlimited))
	require.Positive(t, m.Available)
	for _, l := range append(m.Memory, m.Tasks...) {
		require.FileExists(t, l.File)
		require.Positive(t, l.Most, l.File)
	}

	r := newRun(t)
	_, err = r.Create(100 << 10)
	require.NoError(t, err)
	m, err = Inspect()
	require.NoError(t, err)
	require.LessOrEqual(t, m.Mount.Free, int64(924<<10))
	require.Equal(t, inodes-2, m.Mount.FreeInodes, "the lock and one segment")
}

func TestInspectWithoutBounds(t *testing.T) {
	if !shmtest.Private(t, "size=0,nr_inodes=0,ro") {
		return
	}
	m, err := Inspect()
	require.NoError(t, err)
	require.Equal(t, [4]int64{Unlimited, Unlimited, Unlimited, Unlimited}, [4]int64{m.Mount.Bytes, m.Mount.Free, m.Mount.Inodes, m.Mount.FreeInodes})
	require.True(t, m.Mount.ReadOnly)
	require.Contains(t, m.Mount.Options, "ro")
}

// The probe says how much is on huge pages, and leaves nothing.
func TestTryHuge(t *testing.T) {
	before, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	got, err := TryHuge(2 * hugePage)
	require.NoError(t, err)
	require.Contains(t, []int64{0, hugePage, 2 * hugePage}, got)
	if hugePagesHere(t) {
		require.NotZero(t, got)
	}
	require.Empty(t, grep(maps(t), "handoff-probe"))
	after, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	require.Len(t, after, len(before))
	_, err = TryHuge(-1)
	require.Error(t, err)
}
