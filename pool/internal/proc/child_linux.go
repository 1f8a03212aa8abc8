package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Child is a worker process and the leader of its process group. Its handle, a
// pidfd, says when it is dead and takes the signals for it: its number may be another
// process's at any time, because SIGCHLD may be ignored here, or another part of the
// program may reap all children, as process 1 does. Then nobody knows its exit status.
type Child struct {
	cmd        *exec.Cmd
	handle     *os.File // in the netpoller
	raw        syscall.RawConn
	tail       stderrTail
	dead       chan struct{}
	outputDone chan struct{} // closed when output is what it will be
	reaped     chan struct{} // closed when it is, and what it left of its group
	output     string
	oom        *oomCounter
	group      Cgroup
	cgroupErr  error // why its memory limit is not a cgroup's

	killed   sync.Once
	killTime time.Duration // see Config
	exit     Exit
	held     bool // somebody keeps it from being reaped: see watch
}

const (
	// killTime is how long a process that was killed may take to die. To free a
	// hundred gigabytes takes seconds.
	killTime = 10 * time.Second
	// reapTime is how long a dead process may take until it can be reaped: a debugger
	// that traces it reaps it first.
	reapTime = 500 * time.Millisecond
)

// open takes the pidfd over.
func (c *Child) open(handle int) (err error) {
	unix.SetNonblock(handle, true)
	c.handle = os.NewFile(uintptr(handle), "pidfd")
	if c.raw, err = c.handle.SyscallConn(); err == nil {
		err = c.handle.SetReadDeadline(time.Time{}) // it can be waited for
	}
	if err != nil {
		c.cmd.Process.Kill()
		c.cmd.Wait()
		c.handle.Close()
	}
	return err
}

// watch waits for the death, kills what is left of the group, and reaps. A debugger
// can hold the process: in its last steps, and as a zombie. Then it counts as dead,
// it never runs any of its program again, and is reaped when the debugger lets go.
func (c *Child) watch() {
	alive := errors.Is(c.await(), os.ErrDeadlineExceeded)
	c.killGroup()
	waited := make(chan *os.ProcessState, 1)
	go func() {
		state := c.wait()
		c.handle.Close()
		waited <- state
		reapOrphans(c.PID())
		close(c.reaped)
	}()
	timer := time.NewTimer(reapTime)
	defer timer.Stop()
	select {
	case state := <-waited:
		c.exit = exitOf(state)
	case <-timer.C:
		c.held = true
		c.exit = Exit{Code: -1, Alive: alive, Unknown: holder(c.PID())}
		if alive {
			c.exit.Unknown = fmt.Sprintf("it was killed and has not died for %v (%s)", c.killTime, c.exit.Unknown)
		}
	}
	close(c.dead)
	c.output = c.tail.end()
	close(c.outputDone)
}

// await returns nil when the process is dead, or an error when it was killed and has
// not died in time.
func (c *Child) await() error {
	return c.raw.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
}

// wait reaps the process, and returns nil where somebody else has. The pidfd does not
// block, so that one that is held costs no thread.
func (c *Child) wait() *os.ProcessState {
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		state, err := c.cmd.Process.Wait()
		if !errors.Is(err, unix.EAGAIN) {
			return state
		}
		time.Sleep(pause)
	}
}

// exitOf converts state, which is nil where somebody else has reaped the process.
func exitOf(state *os.ProcessState) Exit {
	if state == nil {
		return Exit{Code: -1, Unknown: "another part of this program has reaped it, or SIGCHLD is ignored"}
	}
	e := Exit{Code: state.ExitCode(), CPU: state.UserTime() + state.SystemTime()}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.Signal = ws.Signal().String()
	}
	return e
}

// holder says who or what keeps a process from being reaped.
func holder(pid int) string {
	dirs, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	state := ""
	for _, d := range dirs {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/status", pid, d.Name()))
		for line := range bytes.Lines(b) {
			key, value, _ := strings.Cut(string(line), ":")
			switch value = strings.TrimSpace(value); {
			case key == "TracerPid" && value != "0":
				return fmt.Sprintf("it is held by a debugger, pid %s", value)
			case key == "State" && !strings.HasPrefix(value, "Z"):
				state = value
			}
		}
	}
	if state == "" {
		return "nothing is known of it"
	}
	return "its state is " + state
}

// reapOrphans reaps what a dead worker has left of its group, where this process has
// become its parent: as process 1, or as a subreaper. All of it was sent SIGKILL. As
// long as one is there the group's number is nobody else's.
func reapOrphans(group int) {
	for end := time.Now().Add(reapTime); ; {
		pid, err := unix.Wait4(-group, nil, unix.WNOHANG, nil)
		switch {
		case pid > 0 || err == unix.EINTR:
		case err != nil || time.Now().After(end): // ECHILD: there is none
			return
		default:
			time.Sleep(time.Millisecond)
		}
	}
}

func (c *Child) PID() int { return c.cmd.Process.Pid }

func (c *Child) Dead() <-chan struct{} { return c.dead }

func (c *Child) Exit() Exit { return c.exit }

func (c *Child) Left() error {
	select {
	case <-c.reaped:
		return nil
	default:
		return fmt.Errorf("process %d: %s", c.PID(), c.exit.Unknown)
	}
}

func (c *Child) OOMKilled() bool {
	return (c.exit.Signal == "killed" || c.exit.Unknown != "") && c.oom.killed(c.group)
}

func (c *Child) Peak() int64 { return c.group.peak() }

// MemoryMechanism is what enforces Config.MemoryLimit: "cgroup", or "rlimit" and why it is
// no cgroup, or "" for none.
func (c *Child) MemoryMechanism() (mechanism string, noCgroup error) {
	switch {
	case c.group.own:
		return "cgroup", nil
	case c.cgroupErr != nil:
		return "rlimit", c.cgroupErr
	}
	return "", nil
}

func (c *Child) Output() string {
	<-c.outputDone
	return c.output
}

func (c *Child) Release() {
	<-c.outputDone
	if !c.held {
		<-c.reaped
	}
	c.group.Remove()
}

// send sends a signal to the process: 0 looks whether it is there, dead or not. It is not once it was reaped.
func (c *Child) send(sig unix.Signal) (err error) {
	if err2 := c.raw.Control(func(fd uintptr) { err = unix.PidfdSendSignal(int(fd), sig, nil, 0) }); err2 != nil {
		return err2
	}
	return err
}

// hasNumber reports whether the number is the process's: nobody has reaped it.
func (c *Child) hasNumber() bool { return c.send(0) == nil }

func (c *Child) Terminate() { c.send(unix.SIGTERM) }

func (c *Child) Kill() {
	c.killGroup()
	c.send(unix.SIGKILL) // it may have left its group
	c.killed.Do(func() { c.handle.SetReadDeadline(time.Now().Add(c.killTime)) })
}

// pidfdGroup is PIDFD_SIGNAL_PROCESS_GROUP, of Linux 6.9.
const pidfdGroup = 1 << 2

// killGroup kills the group that the process made, also after it was reaped.
func (c *Child) killGroup() {
	err := errors.ErrUnsupported
	c.raw.Control(func(fd uintptr) { err = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, pidfdGroup) })
	if err == unix.EINVAL && (c.hasNumber() || unix.Kill(c.PID(), 0) == unix.ESRCH) { // no other process has the group's number
		unix.Kill(-c.PID(), unix.SIGKILL)
	}
}

// EndGroup ends this process, a child, and all of its group. It does not return.
func EndGroup() {
	if unix.Getpgrp() == os.Getpid() {
		unix.Kill(0, unix.SIGKILL)
	}
	os.Exit(1)
}
