package classify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// sampleFunc calls fn on a locked thread until the sample is long enough.
func sampleFunc(ctx context.Context, fn func(context.Context) error, o Options) (cpuSample, error) {
	type outcome struct {
		s   cpuSample
		err error
	}
	done := make(chan outcome, 1) // never blocks, though nobody may be listening any more
	go func() {
		// Only the way out below unlocks the thread: one on which fn panicked
		// or exited ends with its goroutine and is not used again.
		runtime.LockOSThread()
		out := outcome{err: errors.New("classify: the function called runtime.Goexit")}
		defer func() {
			if v := recover(); v != nil {
				out.err = panicked(v, debug.Stack())
			}
			done <- out
		}()
		out.s, out.err = timeCalls(ctx, fn, o)
		runtime.UnlockOSThread()
	}()
	select {
	case out := <-done:
		return out.s, out.err
	case <-ctx.Done():
		return cpuSample{}, fmt.Errorf("classify: %w", ctx.Err())
	}
}

func panicked(v any, stack []byte) error {
	if err, ok := v.(error); ok {
		return fmt.Errorf("classify: the function panicked: %w\n%s", err, stack)
	}
	return fmt.Errorf("classify: the function panicked: %v\n%s", v, stack)
}

func timeCalls(ctx context.Context, fn func(context.Context) error, o Options) (cpuSample, error) {
	var s, before, after cpuSample
	before.readWaits() // outside of what readCPUTimes counts, the thread's own next to it
	before.cpuWait = readCPUWait(threadSchedstat)
	if err := before.readCPUTimes(); err != nil {
		return s, err
	}
	for begin := time.Now(); s.calls == 0 || s.wall < o.MinSample && (o.MaxCalls == 0 || s.calls < o.MaxCalls); {
		if err := fn(ctx); err != nil {
			return s, fmt.Errorf("classify: the function failed: %w", err)
		}
		if err := ctx.Err(); err != nil { // it may have been cut short
			return s, fmt.Errorf("classify: %w", err)
		}
		s.calls++
		s.wall = time.Since(begin)
	}
	err := after.readCPUTimes()
	after.cpuWait = readCPUWait(threadSchedstat)
	after.readWaits()
	s.cpu = after.cpu - before.cpu
	s.process = after.process - before.process
	s.own, s.all = after.own.minus(before.own), after.all.minus(before.all)
	s.cpuWait = min(after.cpuWait-before.cpuWait, max(s.wall-s.cpu, 0)) // or it was while the waits were read
	s.allWait = max(after.allWait-before.allWait, 0)                    // threads may have ended
	return s, err
}

// readCPUTimes reads the clocks and counters of the calling thread and of the process.
func (s *cpuSample) readCPUTimes() error {
	for _, c := range []struct {
		who    int
		to     *time.Duration
		counts *kernelCounts
	}{
		// In this order: RUSAGE_THREAD alone is as old as the last scheduler
		// tick (up to 10 ms), but RUSAGE_SELF brings the calling thread up to
		// date. Both sums then have the microsecond resolution of the fields.
		{unix.RUSAGE_SELF, &s.process, &s.all},
		{unix.RUSAGE_THREAD, &s.cpu, &s.own},
	} {
		var u unix.Rusage
		if err := unix.Getrusage(c.who, &u); err != nil {
			return fmt.Errorf("classify: %w", os.NewSyscallError("getrusage", err))
		}
		*c.to = time.Duration(u.Utime.Nano() + u.Stime.Nano())
		*c.counts = kernelCounts{u.Nvcsw, u.Nivcsw, u.Minflt, u.Majflt}
	}
	return nil
}

// readWaits reads how long all threads of the process were ready to run without a core.
func (s *cpuSample) readWaits() {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, t := range threads {
		s.allWait += readCPUWait("/proc/self/task/" + t.Name() + "/schedstat")
	}
}

const threadSchedstat = "/proc/thread-self/schedstat"

func readCPUWait(file string) time.Duration {
	times, _ := readSchedTimes(file)
	return times.wait
}

// sampleCommand runs argv to its end.
func sampleCommand(ctx context.Context, argv []string) (cpuSample, error) {
	s := cpuSample{calls: 1}
	// Pdeathsig follows the thread that forks, so that one has to stay.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()

	var stderr stderrTail
	var group childGroup
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
	s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.own = kernelCounts{u.Nvcsw, u.Nivcsw, u.Minflt, u.Majflt}
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

// A childGroup is the process group of an unreaped child. After close nothing
// is sent to it any more, because its number may be somebody else's.
type childGroup struct {
	mu     sync.Mutex
	closed bool
}

func (g *childGroup) kill(pid int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return os.ErrProcessDone
	}
	return unix.Kill(-pid, unix.SIGKILL)
}

func (g *childGroup) close(pid int) {
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
