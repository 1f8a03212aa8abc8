package shmtest

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

const env = "HANDOFF_SHMTEST"

// Private is for tests that fill /dev/shm, or that look at what a dead program left in
// it: every pool that another test starts would sweep that away. It reports whether the
// test is to go on here, in a process whose /dev/shm is an empty tmpfs with the given mount options ("size=1m"; "" for the default).
// If it returns false, the test has run in such a process, a copy of the test
// binary that ran this test alone, and its result is already t's: return. Call
// it first thing in a top-level test. The test is skipped where the kernel or a
// container allows no mount namespace.
func Private(t *testing.T, options string) bool {
	t.Helper()
	if os.Getenv(env) == t.Name() {
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "") // or the others would see it
		if err := unix.Mount("tmpfs", "/dev/shm", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
			t.Skipf("no mount here: %v", err)
		}
		return true
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=2m")
	cmd.Env = append(os.Environ(), env+"="+t.Name(), "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Pdeathsig: unix.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	text := strings.TrimSpace(string(out))
	switch {
	case cmd.ProcessState == nil:
		t.Skipf("no mount namespace here: %v", err)
	case err != nil:
		t.Errorf("in a process with a /dev/shm of its own: %v\n%s", err, text)
	case strings.Contains(text, "--- SKIP: "+t.Name()):
		t.Skip(text)
	case !strings.Contains(text, "--- PASS: "+t.Name()):
		t.Errorf("the test did not run in a process with a /dev/shm of its own:\n%s", text)
	}
	return false
}
