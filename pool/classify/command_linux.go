package classify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sampleCommand runs argv to its end.
func sampleCommand(ctx context.Context, argv []string) (sample, error) {
	s := sample{calls: 1}
	// Pdeathsig follows the thread that forks, so that one has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	var stderr stderrTail
	var group processGroup
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) // no Stdin, no Stdout: /dev/null
	cmd.Stderr = &stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	cmd.Cancel = func() error { return group.kill(cmd.Process.Pid) }
	cmd.WaitDelay = time.Second // for a descendant that left the group and holds stderr
	failed := func(err error) error {
		return fmt.Errorf("classify %q: %w%s", argv[0], err, stderr.String())
	}

	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return s, failed(err)
	}
	// Not cmd.Wait yet: it waits for stderr too, which a descendant may hold.
	// And while the command is not reaped its pid, and so its group, is ours.
	tree := watchTree(cmd.Process.Pid)
	exited, watched := make(chan struct{}), make(chan struct{})
	go func() { tree.watch(exited); close(watched) }()
	exitErr := awaitExit(cmd.Process.Pid)
	s.wall = time.Since(begin)
	close(exited)
	<-watched
	tree.end()
	group.close(cmd.Process.Pid)
	err := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return s, failed(ctx.Err())
	case exitErr != nil:
		return s, failed(exitErr)
	case err != nil && !errors.Is(err, exec.ErrWaitDelay): // which is no failure of the command
		return s, failed(err)
	}
	s.own.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.own.counts = kernelCounts{u.Nvcsw, u.Nivcsw, u.Minflt, u.Majflt}
	}
	tree.add(&s)
	return s, nil
}

// awaitExit blocks until the child is a zombie, and leaves it one.
func awaitExit(pid int) error {
	for {
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			return os.NewSyscallError("waitid", err)
		}
	}
}

// A processGroup is that of an unreaped child. After close nothing
// is sent to it any more, because its number may be somebody else's.
type processGroup struct {
	mu     sync.Mutex
	closed bool
}

func (g *processGroup) kill(pid int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return os.ErrProcessDone
	}
	return unix.Kill(-pid, unix.SIGKILL)
}

func (g *processGroup) close(pid int) {
	g.kill(pid) // what the command left behind
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

const (
	stderrTailBytes = 1 << 10
	stderrTailLines = 5
)

// A stderrTail is a Writer that keeps the last stderrTailBytes. The lock is
// for os/exec, whose copying may outlive Wait once WaitDelay has passed.
type stderrTail struct {
	mu   sync.Mutex
	last []byte
	cut  bool // something before last was dropped
}

func (t *stderrTail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = append(t.last, p[max(0, len(p)-stderrTailBytes):]...)
	if over := len(t.last) - stderrTailBytes; over > 0 || len(p) > stderrTailBytes {
		t.last = append(t.last[:0], t.last[max(0, over):]...)
		t.cut = true
	}
	return len(p), nil
}

// String returns the last lines, quoted and so on one line of printable
// characters, as the end of an error text; or nothing.
func (t *stderrTail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := bytes.Split(bytes.TrimSpace(t.last), []byte("\n"))
	if t.cut && len(lines) > 1 {
		lines = lines[1:] // half a line
	}
	text := bytes.Join(lines[max(0, len(lines)-stderrTailLines):], []byte("\n"))
	if len(text) == 0 {
		return ""
	}
	return "; its stderr ends " + strconv.Quote(string(text))
}
