package shm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm/shmtest"
)

// badNames must reach no system call.
var badNames = []string{
	"../x", "/", "a/b", ".", "..", "", "a\x00b", strings.Repeat("a", 300), "a\nb", "\xff", "handoff-0/../x", "/dev/shm/x",
	"handoff-0123456789abcdef01234567.lock", " ", "é", "-/", "~/x",
}

func TestBadNames(t *testing.T) {
	for _, name := range badNames {
		for _, mode := range []Mode{ReadOnly, ReadWrite} {
			_, err := Attach(name, 0, mode)
			require.ErrorIs(t, err, ErrName, "%q", name)
			_, err = AttachFile(nil, name, 0, mode)
			require.ErrorIs(t, err, ErrName, "%q", name)
		}
		for _, force := range []bool{false, true} {
			require.ErrorIs(t, Remove(name, force), ErrName, "%q", name)
		}
		_, err := Stat(name)
		require.ErrorIs(t, err, ErrName, "%q", name)
	}
}

// helperNames does what TestBadNames does, and attaches to one good name.
func helperNames([]string) error {
	for _, name := range badNames {
		_, attach := Attach(name, 0, ReadOnly)
		if remove := Remove(name, true); !errors.Is(attach, ErrName) || !errors.Is(remove, ErrName) {
			return fmt.Errorf("%q: %v, %v", name, attach, remove)
		}
	}
	_, err := Attach("a-good-name", 0, ReadOnly)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func TestBadNamesReachNoSystemCall(t *testing.T) {
	out, lines := trace(t, helper(t, "names"), "-e", "trace=%file,%desc")
	require.Empty(t, out)
	var touched []string
	for _, line := range lines {
		if strings.Contains(line, "/dev/shm") || strings.Contains(line, "unlink") {
			touched = append(touched, line)
		}
	}
	require.Len(t, touched, 2, "an open and a look at what refused it, of the good name alone:\n%s", strings.Join(touched, "\n"))
	for _, line := range touched {
		require.Contains(t, line, dir+"/a-good-name")
	}
}

// trace runs a helper under strace, and returns its output and the lines of the trace.
func trace(t *testing.T, cmd *exec.Cmd, options ...string) (out string, lines []string) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("not in CI: strace is not installed")
	}
	file := filepath.Join(t.TempDir(), "trace")
	traced := exec.Command(strace, append(append(append([]string{"-f", "-s", "200", "-o", file}, options...), "--"), append([]string{mustExecutable(t)}, cmd.Args[1:]...)...)...)
	traced.Env = cmd.Env
	b, err := traced.CombinedOutput()
	if err != nil && (strings.Contains(string(b), "ptrace") || strings.Contains(string(b), "PTRACE")) {
		t.Skipf("not in CI: strace may not trace here: %s", b)
	}
	require.NoError(t, err, string(b))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(b), strings.Split(strings.TrimSpace(string(text)), "\n")
}

func mustExecutable(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	return exe
}

// helperCreate makes a small and a large segment of both kinds, fills them and
// says what it met: "ok", or an error's text. At the end it says what is left.
func helperCreate([]string) error {
	runtime.LockOSThread() // a tracer counts calls thread by thread
	r, err := NewRun()
	if err != nil {
		return err
	}
	for _, k := range kinds[:2] {
		for _, size := range []int64{4096, hugePage + 4096} {
			s, err := k.create(r, size, ReadOnly)
			if err == nil {
				fill(s.mem, 1)
				err = errors.New("ok")
			}
			fmt.Printf("%s %d %v\n", k.name, size, err)
		}
	}
	if err := r.Close(); err != nil {
		return err
	}
	b, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	files, err := filepath.Glob(dir + "/*" + r.ID() + "*")
	fmt.Println(len(grep(string(b), r.ID())), len(files), "left")
	return err
}

// What the kernel may answer, answered on purpose.
func TestCreateUnderKernelErrors(t *testing.T) {
	for name, row := range map[string]struct {
		inject string
		named  string // in each of its lines
		anon   string
	}{
		"before 6.3":           {"memfd_create:error=EINVAL:when=1+2", "ok", "ok"},
		"no more descriptors":  {"memfd_create:error=EMFILE", "ok", "too many open files"},
		"no fallocate":         {"fallocate:error=EOPNOTSUPP", "ok", "ok"},
		"fallocate, in pieces": {"fallocate:error=EINTR:when=1+2", "ok", "ok"},
		"interrupted":          {"ftruncate,pwrite64:error=EINTR:when=1+2", "ok", "ok"},
		"fallocate fails":      {"fallocate:error=ENOSPC", "no space left on device", "no space left on device"},
		"fallocate, I/O":       {"fallocate:error=EIO", "input/output error", "input/output error"},
	} {
		t.Run(name, func(t *testing.T) {
			out, calls := trace(t, helper(t, "create"), "-e", "trace=fallocate,ftruncate,pwrite64,memfd_create", "-e", "inject="+row.inject)
			require.NotEmpty(t, grep(strings.Join(calls, "\n"), "(INJECTED)"))
			lines := strings.Split(strings.TrimSpace(out), "\n")
			require.Len(t, lines, 5, out)
			for i, line := range lines[:4] {
				require.Contains(t, line, []string{row.named, row.named, row.anon, row.anon}[i])
			}
			require.Equal(t, "0 0 left", lines[4])
		})
	}
}

// A file system without fallocate gets zeros written, and other programs' files
// on it are not touched.
func TestWithoutFallocate(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	if err := unix.Mount("ramfs", dir, "ramfs", 0, "mode=1777"); err != nil {
		t.Skipf("not in CI: no ramfs can be mounted here: %v", err)
	}
	r := newRun(t)
	for _, size := range []int64{4096, hugePage + 12345} {
		seg, err := r.Create(size)
		require.NoError(t, err)
		var st unix.Stat_t
		require.NoError(t, unix.Stat(dir+"/"+seg.Name(), &st))
		require.Equal(t, size, st.Size)
		require.GreaterOrEqual(t, st.Blocks*512, st.Size, "not written")
		fill(seg.mem, 1)
		want := checksum(seg.mem)
		again, err := Attach(seg.Name(), size, ReadOnly)
		require.NoError(t, err)
		require.Equal(t, want, checksum(again.mem))
		require.NoError(t, again.Close())
		require.NoError(t, seg.Close())
	}
	name := "stranger"
	require.NoError(t, os.WriteFile(dir+"/"+name, []byte("data"), 0o600))
	require.NoError(t, os.Truncate(dir+"/"+name, 1<<20))
	_, err := Attach(name, 0, ReadWrite)
	require.ErrorIs(t, err, ErrForeign)
	require.ErrorContains(t, err, "not all reserved")
	b, err := os.ReadFile(dir + "/" + name)
	require.NoError(t, err)
	require.Equal(t, "data", string(b[:4]))
	require.NoError(t, os.Remove(dir+"/"+name))
}

// helperShort may make files of 1 MiB at most.
func helperShort([]string) error {
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: 1 << 20, Max: 1 << 20}); err != nil {
		return err
	}
	r, err := NewRun()
	if err != nil {
		return err
	}
	for _, k := range kinds[:2] {
		for _, size := range []int64{1<<20 + 1, 8 << 20} {
			_, err := k.create(r, size, ReadOnly)
			fmt.Println(err)
		}
		s, err := k.create(r, 1<<20, ReadOnly)
		if err != nil {
			return err
		}
		fill(s.mem, 1)
	}
	return r.Close()
}

func TestFileSizeLimit(t *testing.T) {
	out, err := helper(t, "short").CombinedOutput()
	require.NoError(t, err, string(out))
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Len(t, lines, 4)
	for _, l := range lines {
		require.Contains(t, l, "1048576 free in the file size limit of this process")
		require.Contains(t, l, "file too large; raise ulimit -f")
	}
}

// helperPoor has no address space when it attaches to a segment, and then some.
func helperPoor(args []string) error {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return err
	}
	pages, err := strconv.ParseUint(strings.Fields(string(b))[0], 10, 64)
	if err != nil {
		return err
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &old); err != nil {
		return err
	}
	poor := unix.Rlimit{Cur: pages*uint64(os.Getpagesize()) + 4<<20, Max: old.Max}
	if err := unix.Setrlimit(unix.RLIMIT_AS, &poor); err != nil {
		return err
	}
	_, attach := Attach(args[0], 0, ReadOnly)
	f := os.NewFile(3, args[1])
	_, attachFile := AttachFile(f, args[1], 0, ReadOnly)
	if err := unix.Setrlimit(unix.RLIMIT_AS, &old); err != nil {
		return err
	}
	fmt.Println(attach)
	fmt.Println(attachFile)
	seg, err := Attach(args[0], 0, ReadOnly)
	if err != nil {
		return err
	}
	fmt.Println(checksum(seg.mem))
	return nil
}

// An attach that fails for want of address space leaves the segment to its owner.
func TestAttachWithoutAddressSpace(t *testing.T) {
	r := newRun(t)
	named, err := r.Create(16 << 20)
	require.NoError(t, err)
	fill(named.mem, 1)
	anonymous, err := r.CreateAnonymous(16<<20, ReadOnly)
	require.NoError(t, err)
	cmd := helper(t, "poor", named.Name(), anonymous.Name())
	cmd.ExtraFiles = []*os.File{anonymous.File()}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	lines := strings.Split(string(out), "\n")
	for i, name := range []string{named.Name(), anonymous.Name()} {
		require.Contains(t, lines[i], fmt.Sprintf("shm: attach %q: no address space", name))
		require.Contains(t, lines[i], "16777216 bytes")
		require.Contains(t, lines[i], "cannot allocate memory; close segments, or raise ulimit -v")
	}
	require.Equal(t, fmt.Sprint(checksum(named.mem)), lines[2])
	require.FileExists(t, dir+"/"+named.Name())
}

const cgroupLimit = 256 << 20

// helperCgroup makes segments of both kinds within the limit of the cgroup
// that it enters, and past it.
func helperCgroup(args []string) error {
	if err := os.WriteFile(args[0]+"/cgroup.procs", []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
		return err
	}
	for _, k := range kinds[:2] {
		r, err := NewRun()
		if err != nil {
			return err
		}
		for _, size := range []int64{4 * cgroupLimit, cgroupLimit / 2, cgroupLimit / 2, cgroupLimit / 4} {
			s, err := k.create(r, size, ReadOnly)
			if err == nil {
				fill(s.mem, 1) // is there to be had, or this is the end
			}
			var space *SpaceError
			if errors.As(err, &space) {
				err = fmt.Errorf("refused %v %v", errors.Is(err, unix.ENOSPC), err)
			}
			fmt.Println(k.name, size, err)
		}
		var wg sync.WaitGroup // all at once: what one was granted, no other gets
		for range 8 {
			wg.Go(func() {
				for range 16 {
					if s, err := k.create(r, cgroupLimit/32, ReadOnly); err == nil {
						fill(s.mem, 1)
					}
				}
			})
		}
		wg.Wait()
		for _, l := range memoryLimits("") {
			if l.Most == cgroupLimit && l.Free < cgroupLimit/16 { // an eighth is for heaps
				return fmt.Errorf("%d of %d bytes are left to heaps", l.Free, l.Most)
			}
		}
		if err := r.Close(); err != nil {
			return err
		}
	}
	return nil
}

// What was granted counts until it is taken, for whoever asks meanwhile.
func TestGrantsCount(t *testing.T) {
	var r room
	most := memoryFree("")
	if inGroup, _ := cgroupFree(); inGroup < most {
		most = inGroup
	}
	size := most / 10 * 6
	require.NoError(t, r.check("x", size, true))
	var full *SpaceError
	require.ErrorAs(t, r.check("x", size, true), &full)
	r.taken(size)
	require.NoError(t, r.check("x", size, true))
}

// memoryCgroup makes a memory cgroup with a limit below the one we are in.
func memoryCgroup(t *testing.T) string {
	parent, limit := "/sys/fs/cgroup", "memory.max"
	if _, err := os.Stat(parent + "/cgroup.controllers"); err != nil {
		parent, limit = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		b, _ := os.ReadFile("/proc/self/cgroup")
		for _, line := range grep(string(b), ":memory:") {
			parent += strings.TrimSpace(strings.SplitN(line, ":", 3)[2])
		}
	}
	d := fmt.Sprintf("%s/handoff-test-%d", parent, os.Getpid())
	if err := os.Mkdir(d, 0o755); err != nil {
		t.Skipf("not in CI: no memory cgroup can be made here: %v", err)
	}
	t.Cleanup(func() {
		for range 100 { // the last process may not be quite gone
			if os.Remove(d) == nil {
				return
			}
			time.Sleep(50 * time.Millisecond)
		}
		t.Errorf("%s is left", d)
	})
	if err := os.WriteFile(d+"/"+limit, []byte(strconv.Itoa(cgroupLimit)), 0); err != nil {
		t.Skipf("not in CI: no memory cgroup with a limit can be made here: %v", err)
	}
	return d
}

// Past the limit of a memory cgroup a segment is refused, and nobody is killed.
func TestCgroupLimit(t *testing.T) {
	d := memoryCgroup(t)
	out, err := helper(t, "cgroup", d).CombinedOutput()
	if err != nil && strings.Contains(string(out), "cgroup.procs") {
		t.Skipf("not in CI: no process can be put into a cgroup here: %s", out)
	}
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		require.NotEqual(t, syscall.SIGKILL, exit.Sys().(syscall.WaitStatus).Signal(), "killed for its memory: %s", out)
	}
	require.NoError(t, err, string(out))
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Len(t, lines, 8, string(out))
	for i, line := range lines {
		if i%4 == 1 {
			require.Contains(t, line, "<nil>")
		}
		if i%4 == 0 || i%4 == 2 {
			require.Contains(t, line, "refused true")
			require.Contains(t, line, "no space left on device")
			require.Contains(t, line, d)
			require.Contains(t, line, "raise the memory limit")
		}
	}
	t.Log(string(out))
}
