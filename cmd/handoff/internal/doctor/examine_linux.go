package doctor

import (
	"errors"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"example.com/handoff/shm"
)

// Examine looks at everything on this machine.
func Examine() ([]Check, error) { return examine("") }

// examine looks at everything. What is read of /proc, /sys, /etc, /run and /usr
// is read below root, "" for the machine's own.
func examine(root string) ([]Check, error) {
	m, err := shm.Inspect()
	checks := []Check{checkMount(m.Mount, err)}
	if err == nil {
		checks = append(checks, tryWrite(), checkSize(m.Mount), checkInodes(m.Mount), lookForLeftovers())
	}
	workers := runtime.GOMAXPROCS(0)
	free := m.Available
	if l, ok := tightest(m.Memory); ok {
		free = min(free, l.Free)
	}
	fileSize := limitOf(unix.RLIMIT_FSIZE)
	return append(checks,
		checkMemory(m.Available),
		checkCgroup(m.Cgroup, m.Memory),
		checkTasks(limitOf(unix.RLIMIT_NPROC), tasksOf(root, os.Getuid()), os.Geteuid() == 0, m.Tasks, workers),
		checkFiles(limitOf(unix.RLIMIT_NOFILE), workers),
		checkFileSize(fileSize),
		checkAddressSpace(limitOf(unix.RLIMIT_AS), kibibytes(root+"/proc/self/status", "VmSize")),
		checkMaps(read(root+"/proc/sys/vm/max_map_count")),
		checkOvercommit(read(root+"/proc/sys/vm/overcommit_memory"), kibibytes(root+"/proc/meminfo", "CommitLimit"), kibibytes(root+"/proc/meminfo", "Committed_AS")),
		tryHuge(root, free, fileSize),
		tryMemfd(root),
		checkKernel(read(root+"/proc/sys/kernel/osrelease")),
		checkLogind(root, os.Getuid(), userName()),
		checkCPUs(workers, runtime.NumCPU(), cpusOnline(read(root+"/sys/devices/system/cpu/online")), m.CPUs),
	), nil
}

const shmDir = "/dev/shm"

// tryWrite opens a file that has no name and is gone when it is closed.
func tryWrite() Check {
	fd, err := unix.Open(shmDir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o600)
	if err == nil {
		unix.Close(fd)
	}
	info, statErr := os.Stat(shmDir)
	if statErr != nil {
		return checkWrite(statErr, 0)
	}
	return checkWrite(err, info.Mode())
}

// lookForLeftovers counts what is in /dev/shm by whose it is.
func lookForLeftovers() Check {
	runs, err := shm.List()
	if err != nil {
		return checkLeftovers(nil, foreign{}, foreign{}, err)
	}
	ours := map[string]bool{}
	for _, r := range runs {
		ours["handoff-"+r.ID+".lock"] = true
		for _, s := range r.Segments {
			ours[s.Name] = true
		}
	}
	entries, err := os.ReadDir(shmDir)
	var users, programs foreign
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case err != nil || ours[e.Name()]:
		case strings.HasPrefix(e.Name(), "handoff-") && info.Sys().(*syscall.Stat_t).Uid != uint32(os.Getuid()):
			users.add(info.Size())
		default:
			programs.add(info.Size())
		}
	}
	return checkLeftovers(runs, users, programs, err)
}

// limitOf is a limit of this process; Go's start raises that of open files as
// far as it may.
func limitOf(resource int) int64 {
	var l unix.Rlimit
	if unix.Getrlimit(resource, &l) != nil || l.Cur > shm.Unlimited {
		return shm.Unlimited
	}
	return int64(l.Cur)
}

// tasksOf counts a user's processes and threads.
func tasksOf(root string, uid int) (n int64) {
	files, _ := filepath.Glob(root + "/proc/[0-9]*/status")
	for _, f := range files {
		text := read(f)
		if id := strings.Fields(field(text, "Uid")); len(id) == 0 || id[0] != strconv.Itoa(uid) {
			continue
		}
		threads, _ := strconv.ParseInt(field(text, "Threads"), 10, 64)
		n += threads
	}
	return n
}

// tryHuge makes a small segment that has no name.
func tryHuge(root string, free, fileSize int64) Check {
	const asked = 4 << 20
	thp := root + "/sys/kernel/mm/transparent_hugepage"
	shmem, heap := chosen(read(thp+"/shmem_enabled")), chosen(read(thp+"/enabled"))
	var why error
	if free < leastMemory {
		why = errors.New("memory is short")
	} else if fileSize < 2*asked {
		why = errors.New("the limit of file size is too small")
	}
	if why != nil {
		return checkHuge(shmem, heap, 0, 0, why)
	}
	got, err := shm.TryHuge(asked)
	return checkHuge(shmem, heap, asked, got, err)
}

// tryMemfd makes and seals one as segments are.
func tryMemfd(root string) Check {
	try := func(flags int) error {
		fd, err := unix.MemfdCreate("handoff-doctor", flags|unix.MFD_CLOEXEC)
		if err != nil {
			return os.NewSyscallError("memfd_create", err)
		}
		defer unix.Close(fd)
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
		return os.NewSyscallError("fcntl", err)
	}
	noexec := try(unix.MFD_NOEXEC_SEAL)
	err := noexec
	if err != nil {
		err = try(unix.MFD_ALLOW_SEALING)
	}
	return checkMemfd(err, noexec, read(root+"/proc/sys/vm/memfd_noexec"))
}

func userName() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// cpusOnline counts a list such as "0-3,6"; 0 if it is none.
func cpusOnline(list string) (n int) {
	for part := range strings.SplitSeq(strings.TrimSpace(list), ",") {
		first, last, ok := strings.Cut(part, "-")
		if !ok {
			last = first
		}
		lo, errLo := strconv.Atoi(first)
		hi, errHi := strconv.Atoi(last)
		if errLo != nil || errHi != nil || hi < lo {
			return 0
		}
		n += hi - lo + 1
	}
	return n
}

func read(file string) string {
	b, _ := os.ReadFile(file)
	return string(b)
}

// field is the value of a line "key: value".
func field(text, key string) string {
	for line := range strings.Lines(text) {
		if k, v, ok := strings.Cut(line, ":"); ok && k == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// kibibytes is a field such as "VmSize: 12 kB" of a file, in bytes.
func kibibytes(file, key string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSuffix(field(read(file), key), " kB"), 10, 64)
	return n << 10
}
