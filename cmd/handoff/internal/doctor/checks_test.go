package doctor

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

func TestChecks(t *testing.T) {
	const none, mib = shm.Unlimited, 1 << 20
	full := errors.New("no space left on device")
	tmpfs := shm.Mount{Type: "tmpfs", Options: "rw"}
	group := func(free int64) []shm.Limit {
		return []shm.Limit{{File: "/a", Most: 1 << 40, Used: 1, Free: 1 << 39}, {File: "/b", Most: 1 << 30, Used: 1<<30 - free, Free: free}}
	}
	for name, row := range map[string]struct {
		got    Check
		status Status
		found  string
		remedy string
	}{
		"no /dev/shm":       {checkMount(shm.Mount{}, os.ErrNotExist), Problem, "does not exist", "mount -t tmpfs"},
		"read-only":         {checkMount(shm.Mount{Type: "tmpfs", ReadOnly: true}, nil), Problem, "read-only", "remount,rw"},
		"a disk":            {checkMount(shm.Mount{Type: "ext4", Options: "rw"}, nil), Warning, "is a ext4", "disk"},
		"type not known":    {checkMount(shm.Mount{}, nil), Unknown, "not known", ""},
		"tmpfs":             {checkMount(tmpfs, nil), OK, "tmpfs (rw)", ""},
		"not writable":      {checkWrite(full, 0o777|fs.ModeSticky), Problem, "no space left", "chmod 1777"},
		"not sticky":        {checkWrite(nil, 0o777), Warning, "others can remove", "chmod 1777"},
		"sticky":            {checkWrite(nil, 0o777|fs.ModeSticky), OK, "", ""},
		"mine alone":        {checkWrite(nil, 0o700), OK, "", ""},
		"size: none":        {checkSize(shm.Mount{Bytes: none, Free: none}), OK, "no limit", ""},
		"size: tiny":        {checkSize(shm.Mount{Bytes: 1 * mib, Free: 1 * mib}), Problem, "1.00 MiB free of 1.00 MiB", "--shm-size"},
		"size: full":        {checkSize(shm.Mount{Bytes: 1 << 40, Free: 0}), Problem, "0 B free of 1.00 TiB", "--shm-size"},
		"size: a container": {checkSize(shm.Mount{Bytes: 64 * mib, Free: 64 * mib}), Warning, "64.0 MiB", "--shm-size"},
		"size: enough":      {checkSize(shm.Mount{Bytes: 1 << 30, Free: 65 * mib}), OK, "", ""},
		"inodes: none":      {checkInodes(shm.Mount{Inodes: none, FreeInodes: none}), OK, "no limit", ""},
		"inodes: used up":   {checkInodes(shm.Mount{Inodes: 9, FreeInodes: 0}), Problem, "0 free of 9", "nr_inodes"},
		"inodes: few":       {checkInodes(shm.Mount{Inodes: 100, FreeInodes: 90}), Warning, "", "nr_inodes"},

		"no leftovers": {checkLeftovers(nil, foreign{}, foreign{}, nil), OK, "nothing of handoff's", ""},
		"not listed":   {checkLeftovers(nil, foreign{}, foreign{}, fs.ErrPermission), Unknown, "permission denied", ""},
		"others":       {checkLeftovers(nil, foreign{1, mib}, foreign{2, 3 * mib}, nil), OK, "1 files (1.00 MiB) of other users' runs, 2 files (3.00 MiB) of other programs", ""},
		"all kinds": {checkLeftovers([]shm.RunInfo{
			{State: shm.Alive, Segments: []shm.SegmentInfo{{Bytes: mib}, {Bytes: mib}}}, {State: shm.Orphan, Segments: []shm.SegmentInfo{{Bytes: 7}}},
			{State: shm.Orphan}, {State: shm.Unknown, Segments: []shm.SegmentInfo{{Bytes: 8}}},
		}, foreign{}, foreign{}, nil), Warning, "1 segments (7 B) of dead runs, 1 segments (8 B) whose run's lock file is missing, 2 segments (2.00 MiB) of living runs", "handoff shm gc; see 'handoff shm ls'"},

		"memory: not known":    {checkMemory(none), Unknown, "MemAvailable", ""},
		"memory: short":        {checkMemory(5 * mib), Problem, "5.00 MiB available", "free memory"},
		"memory: little":       {checkMemory(100 * mib), Warning, "", "free memory"},
		"cgroup: none":         {checkCgroup(0, nil), OK, "none", ""},
		"cgroup: no limit":     {checkCgroup(2, nil), OK, "version 2, no memory limit", ""},
		"cgroup: short":        {checkCgroup(1, group(mib)), Problem, "version 1, 1.00 MiB free of 1.00 GiB in /b", "memory limit"},
		"cgroup: past it":      {checkCgroup(1, group(-mib)), Problem, "0 B free", "memory limit"},
		"cgroup: little":       {checkCgroup(2, group(100*mib)), Warning, "", "memory limit"},
		"cgroup: enough":       {checkCgroup(2, group(1000*mib)), OK, "in /b", ""},
		"tasks: none":          {checkTasks(none, 7, false, nil, 4), OK, "no limit", ""},
		"tasks: short":         {checkTasks(100, 90, false, nil, 4), Problem, "90 of 100", "ulimit -u"},
		"tasks: root":          {checkTasks(100, 90, true, nil, 4), OK, "root is exempt", ""},
		"tasks: few":           {checkTasks(100, 50, false, nil, 4), Warning, "", "ulimit -u"},
		"tasks: a full group":  {checkTasks(none, 1, true, group(3), 4), Problem, "in /b", "--pids-limit"},
		"tasks: both":          {checkTasks(100, 90, false, group(100), 4), Problem, "90 of 100 processes and threads of this user, 1073741724 of 1073741824 in /b", "ulimit -u"},
		"files: none":          {checkFiles(none, 4), OK, "no limit", ""},
		"files: short":         {checkFiles(32, 4), Problem, "32 a process", "ulimit -n"},
		"files: few":           {checkFiles(90, 4), Warning, "", "ulimit -n"},
		"files: many workers":  {checkFiles(256, 64), Problem, "", "--workers"},
		"file size: none":      {checkFileSize(none), OK, "no limit", ""},
		"file size: short":     {checkFileSize(mib), Problem, "1.00 MiB: no segment can be larger", "ulimit -f"},
		"file size: some":      {checkFileSize(1 << 40), Warning, "", "ulimit -f"},
		"addresses: none":      {checkAddressSpace(none, mib), OK, "no limit", ""},
		"addresses: short":     {checkAddressSpace(100*mib, 90*mib), Problem, "100 MiB, of which this program uses 90.0 MiB", "ulimit -v"},
		"addresses: some":      {checkAddressSpace(1<<40, mib), Warning, "", "ulimit -v"},
		"maps: not known":      {checkMaps(""), Unknown, "vm.max_map_count cannot be read", ""},
		"maps: garbage":        {checkMaps("lots"), Unknown, "", ""},
		"maps: short":          {checkMaps("100\n"), Problem, "100 a process", "sysctl vm.max_map_count"},
		"maps: few":            {checkMaps("10000\n"), Warning, "", "sysctl vm.max_map_count"},
		"maps: default":        {checkMaps("65530\n"), OK, "65530 a process", ""},
		"overcommit: no":       {checkOvercommit("", 0, 0), Unknown, "cannot be read", ""},
		"overcommit: 1":        {checkOvercommit("1\n", 1, 5), OK, "is 1", ""},
		"overcommit: 2, short": {checkOvercommit("2\n", 10*mib, 20*mib), Problem, "0 B may still be promised", "vm.overcommit_memory=0"},
		"overcommit: 2":        {checkOvercommit("2\n", 1<<40, mib), OK, "strict", ""},

		"huge: works":        {checkHuge("never", "", 4*mib, 4*mib, nil), OK, "shared memory never, heap none", ""},
		"huge: not tried":    {checkHuge("never", "always", 0, 0, errors.New("memory is short")), Unknown, "not tried: memory is short", ""},
		"huge: half":         {checkHuge("never", "always", 4*mib, 2*mib, nil), Warning, "2.00 MiB of 4.00 MiB", "6.1"},
		"huge: refused":      {checkHuge("deny", "always", 4*mib, 0, errors.New("madvise: invalid argument")), Warning, "madvise: invalid argument", "shmem_enabled"},
		"huge: no such":      {checkHuge("", "", 4*mib, 0, nil), Warning, "", "transparent huge pages"},
		"memfd":              {checkMemfd(nil, nil, "2\n"), OK, "against execution too", ""},
		"memfd: older":       {checkMemfd(nil, errors.New("invalid argument"), ""), OK, "kernel 6.3", ""},
		"memfd: forbidden":   {checkMemfd(fs.ErrPermission, fs.ErrPermission, ""), Problem, "permission denied", "seccomp"},
		"kernel: new":        {checkKernel("6.18.44-x\n"), OK, "Linux 6.18.44-x", ""},
		"kernel: just":       {checkKernel("5.10.0\n"), OK, "", ""},
		"kernel: old":        {checkKernel("5.9.16\n"), Problem, "", "5.10"},
		"kernel: older":      {checkKernel("4.19\n"), Problem, "", "5.10"},
		"kernel: garbage":    {checkKernel("\x1b[31m\n"), Unknown, `\x1b`, ""},
		"cpus":               {checkCPUs(2, 2, 2, 0), OK, "2 used (GOMAXPROCS) of 2 allowed, 2 online", ""},
		"cpus: not known":    {checkCPUs(2, 2, 0, 0), OK, "2 used (GOMAXPROCS) of 2 allowed", ""},
		"cpus: quota":        {checkCPUs(3, 8, 8, 2.5), OK, "cgroup quota of 2.50", ""},
		"cpus: Go's minimum": {checkCPUs(2, 8, 8, 1), OK, "", ""},
		"cpus: below quota":  {checkCPUs(8, 8, 8, 2.5), Warning, "", "GOMAXPROCS"},
		"cpus: too many":     {checkCPUs(9, 8, 8, 0), Warning, "", "GOMAXPROCS"},
		"cpus: half a core":  {checkCPUs(2, 8, 8, 0.5), Warning, "0.50", "--cpus"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, row.status, row.got.Status, row.got.Found)
			require.Contains(t, row.got.Found, row.found)
			require.Contains(t, row.got.Remedy, row.remedy)
			requireCheck(t, row.got)
		})
	}
}

// requireCheck holds a check against what every one promises.
func requireCheck(t *testing.T, c Check) {
	t.Helper()
	require.NotEmpty(t, c.Name)
	require.NotEmpty(t, c.Found, c.Name)
	require.NotEmpty(t, c.Values, c.Name)
	switch c.Status {
	case OK, Unknown:
		require.Empty(t, c.Remedy, c.Name)
	case Warning, Problem:
		require.NotEmpty(t, c.Remedy, c.Name)
	default:
		t.Errorf("%s has status %q", c.Name, c.Status)
	}
}

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

func TestLogind(t *testing.T) {
	const booted = "run/systemd/system/x"
	for name, row := range map[string]struct {
		files  map[string]string
		uid    int
		status Status
		found  string
	}{
		"no systemd":  {map[string]string{"etc/systemd/logind.conf": "[Login]\nRemoveIPC=yes\n"}, 1000, OK, "no systemd"},
		"nothing set": {map[string]string{booted: ""}, 1000, Warning, "RemoveIPC=yes (the default)"},
		"root":        {map[string]string{booted: ""}, 0, OK, "spares system users and root"},
		"system user": {map[string]string{booted: ""}, 999, OK, "spares system users and root"},
		"lingers":     {map[string]string{booted: "", "var/lib/systemd/linger/ann": ""}, 1000, OK, "it lingers"},
		"another lingers": {map[string]string{booted: "", "var/lib/systemd/linger/bob": ""}, 1000, Warning,
			"removed when this user's last session ends"},
		"commented default": {map[string]string{booted: "", "etc/systemd/logind.conf": "[Login]\n#NAutoVTs=6\n#RemoveIPC=yes\n"}, 1000, Warning, "the default"},
		"compiled in otherwise": {map[string]string{booted: "", "usr/lib/systemd/logind.conf": "[Login]\n#RemoveIPC=no\n"}, 1000, OK,
			"RemoveIPC=no (the default)"},
		"a comment in a drop-in": {map[string]string{booted: "", "etc/systemd/logind.conf.d/a.conf": "[Login]\n#RemoveIPC=no\n"}, 1000, Warning, "the default"},
		"set to no":              {map[string]string{booted: "", "etc/systemd/logind.conf": "[Login]\n RemoveIPC = No \n"}, 1000, OK, "RemoveIPC=no (/etc/systemd/logind.conf)"},
		"the last one counts":    {map[string]string{booted: "", "etc/systemd/logind.conf": "[Login]\nRemoveIPC=0\nRemoveIPC=1\n"}, 1000, Warning, "/etc/systemd/logind.conf"},
		"another section":        {map[string]string{booted: "", "etc/systemd/logind.conf": "RemoveIPC=no\n[Sleep]\nRemoveIPC=no\n"}, 1000, Warning, "the default"},
		"garbage":                {map[string]string{booted: "", "etc/systemd/logind.conf": "[Login]\nRemoveIPC\nRemoveIPC=\n=no\nRemoveIPC=maybe\n\x00\xff"}, 1000, Warning, "the default"},
		"the first main file hides the others": {map[string]string{booted: "", "etc/systemd/logind.conf": "[Login]\n",
			"usr/lib/systemd/logind.conf": "[Login]\nRemoveIPC=no\n"}, 1000, Warning, "the default"},
		"a drop-in over the main file": {map[string]string{booted: "", "etc/systemd/logind.conf": "[Login]\nRemoveIPC=yes\n",
			"usr/lib/systemd/logind.conf.d/10-server.conf": "[Login]\nRemoveIPC=off\n"}, 1000, OK, "/usr/lib/systemd/logind.conf.d/10-server.conf"},
		"by name, whatever the folder": {map[string]string{booted: "", "etc/systemd/logind.conf.d/10.conf": "[Login]\nRemoveIPC=no\n",
			"usr/lib/systemd/logind.conf.d/20.conf": "[Login]\nRemoveIPC=yes\n"}, 1000, Warning, "/usr/lib/systemd/logind.conf.d/20.conf"},
		"hidden by one of the same name": {map[string]string{booted: "", "run/systemd/logind.conf.d/10.conf": "",
			"usr/local/lib/systemd/logind.conf.d/10.conf": "[Login]\nRemoveIPC=no\n"}, 1000, Warning, "the default"},
		"no drop-in": {map[string]string{booted: "", "etc/systemd/logind.conf.d/10.conf.bak": "[Login]\nRemoveIPC=no\n"}, 1000, Warning, "the default"},
	} {
		t.Run(name, func(t *testing.T) {
			c := checkLogind(tree(t, row.files), row.uid, "ann")
			require.Equal(t, row.status, c.Status, c.Found)
			require.Contains(t, c.Found, row.found)
			requireCheck(t, c)
		})
	}
}
