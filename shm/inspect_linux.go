package shm

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// inspect reads /proc and /sys below root, "" for the machine's own.
func inspect(root string) (Machine, error) {
	m := Machine{Available: memoryFree(root), Memory: memoryLimits(root), Tasks: taskLimits(root), CPUs: cpuQuota(root)}
	_, m.Cgroup = groupDirs(root, "memory")
	m.Mount = Mount{Bytes: Unlimited, Free: mountFree(), Inodes: Unlimited, FreeInodes: Unlimited}
	m.Mount.Type, m.Mount.Options = mountOf(root, dir)
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return m, fmt.Errorf("shm: inspect: %w", &os.PathError{Op: "statfs", Path: dir, Err: err})
	}
	m.Mount.ReadOnly = st.Flags&unix.ST_RDONLY != 0
	if st.Blocks > 0 {
		m.Mount.Bytes = int64(st.Blocks) * st.Bsize
	}
	if st.Files > 0 {
		m.Mount.Inodes, m.Mount.FreeInodes = int64(st.Files), int64(st.Ffree)
	}
	return m, nil
}

// mountOf is the type and the options of the mount that holds name: the one of
// the longest path above it, and of several there the last.
func mountOf(root, name string) (kind, options string) {
	if to, err := filepath.EvalSymlinks(name); err == nil {
		name = to
	}
	b, _ := os.ReadFile(root + "/proc/self/mounts")
	longest := 0
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 4 || len(f[1]) < longest || f[1] != name && !strings.HasPrefix(name, strings.TrimSuffix(f[1], "/")+"/") {
			continue
		}
		longest, kind, options = len(f[1]), f[2], f[3]
	}
	return kind, options
}

// groupDirs is this process's cgroup of a controller, its ancestors after it,
// and the version of their hierarchy: where both are mounted, version 1 has the
// controllers that it names.
func groupDirs(root, controller string) (dirs []string, version int) {
	b, _ := os.ReadFile(root + "/proc/self/cgroup")
	base, group := "", ""
	for line := range strings.Lines(string(b)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		switch {
		case len(part) != 3:
		case slices.Contains(strings.Split(part[1], ","), controller):
			base, group, version = "/sys/fs/cgroup/"+controller, part[2], 1
		case part[1] == "" && version != 1:
			base, group, version = "/sys/fs/cgroup", part[2], 2
		}
	}
	if version == 0 {
		return nil, 0
	}
	if _, err := os.Stat(root + base + "/unified"); version == 2 && err == nil { // beside version 1
		base += "/unified"
	}
	for p := path.Clean("/" + group); ; p = path.Dir(p) {
		dirs = append(dirs, path.Clean(root+base+p))
		if p == "/" {
			return dirs, version
		}
	}
}

func memoryLimits(root string) []Limit {
	dirs, version := groupDirs(root, "memory")
	most, used, cache := "memory.max", "memory.current", "inactive_file"
	if version == 1 {
		most, used, cache = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
	}
	limits := readLimits(dirs, most, used)
	for i, l := range limits {
		limits[i].Free += readStat(path.Dir(l.File)+"/memory.stat", cache)
	}
	return limits
}

func taskLimits(root string) []Limit {
	dirs, _ := groupDirs(root, "pids")
	return readLimits(dirs, "pids.max", "pids.current")
}

func readLimits(dirs []string, mostFile, usedFile string) (limits []Limit) {
	for _, d := range dirs {
		most, ok := readInt(d + "/" + mostFile)
		if !ok || most < 0 || most > Unlimited/2 { // version 1 writes "none" as the most pages that fit
			continue
		}
		used, _ := readInt(d + "/" + usedFile)
		limits = append(limits, Limit{File: d + "/" + mostFile, Most: most, Used: used, Free: most - used})
	}
	return limits
}

// cpuQuota is the least quota of the cpu cgroups, in cores; 0 if there is none.
func cpuQuota(root string) (cores float64) {
	dirs, version := groupDirs(root, "cpu")
	for _, d := range dirs {
		var quota, period string
		if version == 1 {
			quota, period = readWord(d+"/cpu.cfs_quota_us"), readWord(d+"/cpu.cfs_period_us")
		} else {
			quota, period, _ = strings.Cut(readWord(d+"/cpu.max"), " ")
		}
		q, errQ := strconv.ParseInt(quota, 10, 64) // "max" or -1: none
		p, errP := strconv.ParseInt(period, 10, 64)
		if errQ != nil || errP != nil || q <= 0 || p <= 0 {
			continue
		}
		if c := float64(q) / float64(p); cores == 0 || c < cores {
			cores = c
		}
	}
	return cores
}

func readWord(file string) string {
	b, _ := os.ReadFile(file)
	return strings.TrimSpace(string(b))
}
