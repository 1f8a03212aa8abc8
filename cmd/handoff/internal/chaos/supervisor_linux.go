package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A supervisor is a run of the job: this program again, in a session of its own, so
// that what it starts can be found when it is dead. It dies with this process.
type supervisor struct {
	cmd   *exec.Cmd
	dir   string
	began time.Time
	ended chan struct{}
	state func() *os.ProcessState // once ended is closed
}

// start starts a run in a folder: with faults one that keeps its state, and with keep
// also when it has succeeded.
func (c *run) start(dir string, faults, keep bool) (*supervisor, error) {
	if err := os.MkdirAll(filepath.Join(dir, OutDir), 0o700); err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	said, err := os.OpenFile(filepath.Join(dir, stderrFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer said.Close()
	cmd := exec.Command(exe, c.Job.Command(dir, faults, keep)...)
	cmd.Stdout, cmd.Stderr = said, said
	if c.Job.Out == "" && !faults {
		result, err := os.Create(filepath.Join(dir, OutDir, resultFile))
		if err != nil {
			return nil, err
		}
		defer result.Close()
		cmd.Stdout = result
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: unix.SIGKILL}
	s := &supervisor{cmd: cmd, dir: dir, began: time.Now(), ended: make(chan struct{})}
	s.state = func() *os.ProcessState { <-s.ended; return cmd.ProcessState }
	started := make(chan error)
	go func() {
		runtime.LockOSThread() // the parent-death signal comes when the thread that started it ends
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			cmd.Wait()
			close(s.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("cannot start the job: %w", err)
	}
	c.ours[cmd.Process.Pid] = true
	return s, nil
}

func (s *supervisor) pid() int { return s.cmd.Process.Pid }

// signal goes to the process by its handle, so to no other of its number.
func (s *supervisor) signal(sig os.Signal) error { return s.cmd.Process.Signal(sig) }

// exit is its exit code; -1 if a signal has ended it.
func (s *supervisor) exit() int { return s.state().ExitCode() }

// killedBy is the signal that has ended it; 0 if none has.
func (s *supervisor) killedBy() unix.Signal {
	if ws, ok := s.state().Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		return ws.Signal()
	}
	return 0
}

// done: the job says that it is done, if only but for rows that were left out.
func (s *supervisor) done() bool { return s.exit() == exitOK || s.exit() == exitSome }

// within reports whether it ends in time, and before ctx.
func (s *supervisor) within(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.ended:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

// end ends a run that is not wanted any more so that it can clean up: as a user does
// who presses Ctrl-C once, a second time, and is then out of patience; at once when
// chaos gets a second signal itself.
func (c *run) end(s *supervisor) {
	os.Remove(filepath.Join(s.dir, diskFile))
	s.signal(unix.SIGCONT)
	for _, patience := range []time.Duration{time.Second, 3 * time.Second} {
		s.signal(unix.SIGTERM)
		if s.within(c.last, patience) {
			return
		}
	}
	s.signal(unix.SIGKILL)
	<-s.ended
}

// A Process holds fields of /proc/PID/stat.
type Process struct {
	PID, Parent, Session int
	Dead                 bool // and not waited for yet
}

var errNoProcess = errors.New("no such process")

// ReadProcess looks at a process.
func ReadProcess(pid int) (Process, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return Process{}, err
	}
	_, rest, _ := strings.Cut(string(b), " (")
	rest = rest[strings.LastIndexByte(rest, ')')+1:] // a name may have anything in it
	f := strings.Fields(rest)
	if len(f) < 4 {
		return Process{}, errNoProcess
	}
	parent, err1 := strconv.Atoi(f[1])
	session, err2 := strconv.Atoi(f[3])
	return Process{pid, parent, session, f[0] == "Z" || f[0] == "X"}, errors.Join(err1, err2)
}

// childrenOf are the children that a process has now.
func childrenOf(pid int) (pids []int) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, list := range lists {
		b, _ := os.ReadFile(list)
		for f := range strings.FieldsSeq(string(b)) {
			if child, err := strconv.Atoi(f); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// openProcess opens the handle of a process if it is what the caller wants, which
// want decides by what /proc says.
func openProcess(pid int, want func(Process) bool) (fd int, err error) {
	if fd, err = unix.PidfdOpen(pid, 0); err != nil {
		return -1, os.NewSyscallError("pidfd_open", err)
	}
	p, err := ReadProcess(pid)
	if err == nil && !p.Dead && want(p) {
		// If the process of the handle lives now, what was read was about it.
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		if err == nil && n == 0 {
			return fd, nil
		}
	}
	unix.Close(fd)
	return -1, errNoProcess
}
