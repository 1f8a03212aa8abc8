package doctor

import (
	"cmp"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"

	"example.com/handoff/bench/stat"
	"example.com/handoff/shm"
)

// What a run needs at least (below this only the smallest succeed), and what it
// should have.
const (
	leastShm     = 2 << 20 // the first segment of an arena is 1 MiB, and a pool has an arena for each way
	enoughShm    = 64 << 20
	leastInodes  = 8 // the lock, and segments
	enoughInodes = 256
	leastMemory  = 64 << 20 // a supervisor and two workers
	enoughMemory = 512 << 20
)

const (
	remedyMount  = "mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs /dev/shm"
	mendSize     = "enlarge it (mount -o remount,size=… /dev/shm; in a container --shm-size), or remove what is in it"
	remedyInodes = "raise nr_inodes (mount -o remount,nr_inodes=… /dev/shm), or remove files from it"
	mendCgroup   = "raise the memory limit of this container or unit"
	remedyMemory = "free memory on this machine"
	mendTasks    = "raise 'ulimit -u', TasksMax of the unit or --pids-limit of the container, or use fewer --workers"
	mendFiles    = "raise 'ulimit -n', or use fewer --workers"
	mendFileSize = "ulimit -f unlimited"
	mendAddress  = "ulimit -v unlimited"
	mendMaps     = "sysctl vm.max_map_count=65530"
	mendCommit   = "sysctl vm.overcommit_memory=0, or raise vm.overcommit_ratio"
)

// bound is a figure for JSON: null where there is no bound.
func bound(n int64) any {
	if n == shm.Unlimited {
		return nil
	}
	return n
}

func size(n int64) string {
	if n == shm.Unlimited {
		return "no limit"
	}
	return stat.Size(max(n, 0)) // others may have taken more than was left
}

func number(n int64) string {
	if n == shm.Unlimited {
		return "no limit"
	}
	return strconv.FormatInt(n, 10)
}

func free(left, of int64, text func(int64) string) string {
	if of == shm.Unlimited {
		return "no limit"
	}
	return text(left) + " free of " + text(of)
}

// rate compares what is left with what is needed.
func (c *Check) rate(left, least, enough int64, remedy string) {
	if left < least {
		c.worse(Problem, remedy)
	} else if left < enough {
		c.worse(Warning, remedy)
	}
}

func checkMount(m shm.Mount, err error) Check {
	c := Check{"shm", OK, fmt.Sprintf("/dev/shm is a %s (%s)", m.Type, m.Options), "",
		map[string]any{"type": m.Type, "options": m.Options, "read_only": m.ReadOnly}}
	switch {
	case err != nil:
		c.Found = err.Error()
		c.worse(Problem, remedyMount)
	case m.ReadOnly:
		c.Found += ", read-only"
		c.worse(Problem, "mount -o remount,rw /dev/shm")
	case m.Type == "":
		c.Status, c.Found = Unknown, "/dev/shm is there, its type is not known"
	case m.Type != "tmpfs":
		c.worse(Warning, "bytes may go to a disk: "+remedyMount)
	}
	return c
}

// checkWrite is about a file that was opened in /dev/shm without a name, as a
// run's lock is.
func checkWrite(err error, mode fs.FileMode) Check {
	c := Check{"shm-write", OK, "this user can make files there", "", map[string]any{"writable": err == nil, "mode": fmt.Sprintf("%#o", unixMode(mode))}}
	if err != nil {
		c.Found = "this user can make no files there: " + err.Error()
		c.worse(Problem, "chmod 1777 /dev/shm, and see that it is a writable tmpfs with inodes left")
	} else if mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0 {
		c.Found += ", and others can remove them: its mode lacks the sticky bit"
		c.worse(Warning, "chmod 1777 /dev/shm")
	}
	return c
}

func unixMode(mode fs.FileMode) uint32 {
	bits := uint32(mode.Perm())
	if mode&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return bits
}

func checkSize(m shm.Mount) Check {
	c := Check{"shm-size", OK, free(m.Free, m.Bytes, size), "",
		map[string]any{"bytes": bound(m.Bytes), "free_bytes": bound(m.Free)}}
	if m.Bytes != shm.Unlimited {
		c.Values["used_bytes"] = m.Bytes - m.Free
	}
	c.rate(m.Free, leastShm, enoughShm+1, mendSize) // 64 MiB is what containers are given unless asked for more
	return c
}

func checkInodes(m shm.Mount) Check {
	c := Check{"shm-inodes", OK, free(m.FreeInodes, m.Inodes, number), "",
		map[string]any{"inodes": bound(m.Inodes), "free_inodes": bound(m.FreeInodes)}}
	if m.Inodes != shm.Unlimited {
		c.Values["used_inodes"] = m.Inodes - m.FreeInodes
	}
	c.rate(m.FreeInodes, leastInodes, enoughInodes, remedyInodes)
	return c
}

// foreign counts files in /dev/shm that are not of this user's runs.
type foreign struct {
	files int
	bytes int64
}

func (f *foreign) add(bytes int64) {
	f.files++
	f.bytes += bytes
}

// checkLeftovers is about this user's runs, and what other users' runs and other
// programs have in /dev/shm.
func checkLeftovers(runs []shm.RunInfo, users, programs foreign, err error) Check {
	c := Check{Name: "leftovers", Status: OK, Values: map[string]any{
		"other_users_files": users.files, "other_users_bytes": users.bytes,
		"other_files": programs.files, "other_bytes": programs.bytes,
	}}
	if err != nil {
		c.Status, c.Found = Unknown, err.Error()
		return c
	}
	var found []string
	for _, of := range []struct {
		state        shm.State
		what, remedy string
	}{
		{shm.Orphan, "of dead runs", "handoff shm gc"},
		{shm.Unknown, "whose run's lock file is missing", "see 'handoff shm ls', then 'handoff shm rm SEGMENT…'"},
		{shm.Alive, "of living runs", ""},
	} {
		n, segments, bytes := 0, 0, int64(0)
		for _, r := range runs {
			if r.State != of.state {
				continue
			}
			n++
			for _, s := range r.Segments {
				segments++
				bytes += s.Bytes
			}
		}
		key := string(of.state)
		c.Values[key+"_runs"], c.Values[key+"_segments"], c.Values[key+"_bytes"] = n, segments, bytes
		if n == 0 {
			continue
		}
		found = append(found, fmt.Sprintf("%d segments (%s) %s", segments, stat.Size(bytes), of.what))
		if of.remedy != "" {
			c.Status = Warning
			c.Remedy = strings.TrimPrefix(c.Remedy+"; "+of.remedy, "; ")
		}
	}
	if len(found) == 0 {
		found = append(found, "nothing of handoff's")
	}
	if users.files > 0 {
		found = append(found, fmt.Sprintf("%d files (%s) of other users' runs", users.files, stat.Size(users.bytes)))
	}
	if programs.files > 0 {
		found = append(found, fmt.Sprintf("%d files (%s) of other programs", programs.files, stat.Size(programs.bytes)))
	}
	c.Found = strings.Join(found, ", ")
	return c
}

func checkMemory(available int64) Check {
	c := Check{"memory", OK, stat.Size(available) + " available, swap included", "", map[string]any{"available_bytes": bound(available)}}
	if available == shm.Unlimited {
		c.Status, c.Found = Unknown, "/proc/meminfo has no MemAvailable"
	}
	c.rate(available, leastMemory, enoughMemory, remedyMemory)
	return c
}

func checkCgroup(version int, limits []shm.Limit) Check {
	c := Check{"cgroup", OK, fmt.Sprintf("version %d, no memory limit", version), "", map[string]any{"version": version, "limit_bytes": nil, "used_bytes": nil, "free_bytes": nil}}
	if version == 0 {
		c.Found = "none"
	}
	if l, ok := tightest(limits); ok {
		c.Found = fmt.Sprintf("version %d, %s free of %s in %s", version, size(l.Free), size(l.Most), l.File)
		c.Values["limit_bytes"], c.Values["used_bytes"], c.Values["free_bytes"], c.Values["file"] = l.Most, l.Used, l.Free, l.File
		c.rate(l.Free, leastMemory, enoughMemory, mendCgroup)
	}
	return c
}

func tightest(limits []shm.Limit) (least shm.Limit, ok bool) {
	least.Free = shm.Unlimited
	for _, l := range limits {
		if l.Free < least.Free {
			least, ok = l, true
		}
	}
	return least, ok
}

// checkTasks is about processes and threads: most are what 'ulimit -u' allows
// this user, which has used of them.
func checkTasks(most, used int64, exempt bool, groups []shm.Limit, workers int) Check {
	c := Check{"processes", OK, "no limit", "", map[string]any{"limit": bound(most), "used": used, "cgroup_limit": nil, "cgroup_used": nil}}
	least := int64(8 * workers) // a Go worker has about 8 threads
	if most != shm.Unlimited {
		c.Found = fmt.Sprintf("%d of %d processes and threads of this user", used, most)
		if exempt {
			c.Found += " (root is exempt)"
		} else {
			c.rate(most-used, least, 8*least, mendTasks)
		}
	}
	if l, ok := tightest(groups); ok {
		c.Found += fmt.Sprintf(", %d of %d in %s", l.Used, l.Most, l.File)
		c.Values["cgroup_limit"], c.Values["cgroup_used"], c.Values["cgroup_file"] = l.Most, l.Used, l.File
		c.rate(l.Free, least, 8*least, mendTasks)
	}
	return c
}

func checkFiles(most int64, workers int) Check {
	c := Check{"open-files", OK, number(most) + " a process", "", map[string]any{"limit": bound(most)}}
	each := int64(4 * workers) // a socket, pipes and a handle
	c.rate(most, 20+each, 64+2*each, mendFiles)
	return c
}

// checkFileSize: a segment is a file. Go programs get an error past the limit,
// others a SIGXFSZ.
func checkFileSize(most int64) Check {
	c := Check{"file-size", OK, size(most), "", map[string]any{"limit_bytes": bound(most)}}
	if most != shm.Unlimited {
		c.Found = size(most) + ": no segment can be larger"
		c.rate(most, leastShm, shm.Unlimited, mendFileSize)
	}
	return c
}

// checkAddressSpace: a worker maps what this process does, and segments.
func checkAddressSpace(most, used int64) Check {
	c := Check{"address-space", OK, size(most), "", map[string]any{"limit_bytes": bound(most), "used_bytes": used}}
	if most != shm.Unlimited {
		c.Found = fmt.Sprintf("%s, of which this program uses %s: it counts every mapping, shared memory too", size(most), size(used))
		c.rate(most-used, leastMemory, shm.Unlimited, mendAddress)
	}
	return c
}

func checkMaps(text string) Check {
	c, n := sysctl("mappings", "vm.max_map_count", text)
	c.Values["limit"] = c.Values["value"]
	delete(c.Values, "value")
	if c.Status != Unknown {
		c.Found = fmt.Sprintf("%d a process", n)
		c.rate(n, 1024, 65530, mendMaps)
	}
	return c
}

// checkOvercommit: only mode 2 holds shared memory against a commit limit.
func checkOvercommit(text string, limit, committed int64) Check {
	c, mode := sysctl("overcommit", "vm.overcommit_memory", text)
	if c.Status == Unknown || mode != 2 {
		return c
	}
	c.Values["limit_bytes"], c.Values["committed_bytes"] = limit, committed
	c.Found = fmt.Sprintf("vm.overcommit_memory is 2 (strict): %s may still be promised", size(limit-committed))
	c.rate(limit-committed, leastMemory, enoughMemory, mendCommit)
	return c
}

// sysctl is a check of a kernel setting that is a number.
func sysctl(name, key, text string) (Check, int64) {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil {
		return Check{name, Unknown, key + " cannot be read", "", map[string]any{"value": nil}}, 0
	}
	return Check{name, OK, fmt.Sprintf("%s is %d", key, n), "", map[string]any{"value": n}}, n
}

// checkHuge is about an attempt to put asked bytes of shared memory on huge
// pages, of which got are: why is what stopped it.
func checkHuge(shmem, heap string, asked, got int64, why error) Check {
	c := Check{"huge-pages", OK, "", "", map[string]any{"shmem_enabled": shmem, "enabled": heap, "asked_bytes": asked, "got_bytes": got}}
	switch {
	case asked == 0:
		c.Status, c.Found = Unknown, "not tried: "+why.Error()
	case got >= asked:
		c.Found = fmt.Sprintf("shared memory can be put on huge pages (settings: shared memory %s, heap %s)", cmp.Or(shmem, "none"), cmp.Or(heap, "none"))
	default:
		c.Found = fmt.Sprintf("%s of %s were put on huge pages, so large segments are slower to make and to map", stat.Size(got), stat.Size(asked))
		if why != nil {
			c.Found += ": " + why.Error()
		}
		switch {
		case shmem == "":
			c.worse(Warning, "a kernel with transparent huge pages, 6.1 or newer")
		case shmem == "deny":
			c.worse(Warning, "echo never > /sys/kernel/mm/transparent_hugepage/shmem_enabled")
		default:
			c.worse(Warning, "a kernel of 6.1 or newer, or more memory without fragmentation")
		}
	}
	return c
}

// chosen is the bracketed word of a setting such as "always [madvise] never".
func chosen(setting string) string {
	_, rest, _ := strings.Cut(setting, "[")
	word, _, _ := strings.Cut(rest, "]")
	return word
}

// checkMemfd is about anonymous segments that cannot be resized (err) and, on
// newer kernels, not be made executable (noexec).
func checkMemfd(err, noexec error, setting string) Check {
	c := Check{"memfd", OK, "can be sealed, against execution too", "", map[string]any{"sealable": err == nil, "noexec_seal": noexec == nil, "memfd_noexec": nil}}
	if n, err := strconv.ParseInt(strings.TrimSpace(setting), 10, 64); err == nil {
		c.Values["memfd_noexec"] = n
	}
	if err != nil {
		c.Found = "no anonymous segments: " + err.Error()
		c.worse(Problem, "allow memfd_create in the seccomp filter of this container or unit")
	} else if noexec != nil {
		c.Found = "can be sealed; a seal against execution needs kernel 6.3"
	}
	return c
}

func checkKernel(release string) Check {
	release = strings.TrimSpace(release)
	c := Check{"kernel", OK, "Linux " + release, "", map[string]any{"release": release}}
	var major, minor int
	if n, _ := fmt.Sscanf(release, "%d.%d", &major, &minor); n != 2 {
		c.Status, c.Found = Unknown, fmt.Sprintf("version %.40q", release)
	} else if major < 5 || major == 5 && minor < 10 {
		c.worse(Problem, "Linux 5.10 or newer")
	}
	return c
}

// checkCPUs compares what this process uses with what it may.
func checkCPUs(use, affinity, online int, quota float64) Check {
	c := Check{"cpus", OK, fmt.Sprintf("%d used (GOMAXPROCS) of %d allowed", use, affinity), "", map[string]any{"gomaxprocs": use, "affinity": affinity, "online": nil, "quota": nil}}
	if online > 0 {
		c.Found += fmt.Sprintf(", %d online", online)
		c.Values["online"] = online
	}
	granted := float64(affinity)
	if quota > 0 {
		c.Found += fmt.Sprintf(", cgroup quota of %.2f", quota)
		c.Values["quota"] = quota
		granted = min(granted, max(2, math.Ceil(quota))) // Go uses two at least
	}
	switch {
	case float64(use) > granted:
		c.worse(Warning, "unset GOMAXPROCS: more workers than cores wait for each other")
	case quota > 0 && quota < 1:
		c.worse(Warning, "grant this container or unit a core (CPUQuota=, --cpus)")
	}
	return c
}
