package pool

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

// A child is a worker process and the leader of its process group. Its handle, a
// pidfd, says when it is dead and takes the signals for it: its number may be another
// process's at any time, because SIGCHLD may be ignored here, or another part of the
// program may reap all children, as process 1 does. Then nobody knows its exit status.
type child struct {
	cmd    *exec.Cmd
	handle *os.File // in the netpoller
	raw    syscall.RawConn
	tail   tail
	dead   chan struct{}
	told   chan struct{} // closed when output is what it will be
	reaped chan struct{} // closed when it is, and what it left of its group
	output string
	pool   *Pool
	group  memoryGroup

	killed   sync.Once
	killTime time.Duration // see killTime
	exit     exitState
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

// newChild takes the pidfd over.
func newChild(cmd *exec.Cmd, handle int) (c *child, err error) {
	c = &child{cmd: cmd, dead: make(chan struct{}), told: make(chan struct{}), reaped: make(chan struct{}), killTime: killTime}
	unix.SetNonblock(handle, true)
	c.handle = os.NewFile(uintptr(handle), "pidfd")
	if c.raw, err = c.handle.SyscallConn(); err == nil {
		err = c.handle.SetReadDeadline(time.Time{}) // it can be waited for
	}
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		c.handle.Close()
	}
	return c, err
}

// watch waits for the death, kills what is left of the group, and reaps. A debugger
// can hold the process: in its last steps, and as a zombie. Then it counts as dead,
// it never runs any of its program again, and is reaped when the debugger lets go.
func (c *child) watch() {
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
		c.exit = exitState{code: -1, alive: alive, unknown: holder(c.PID())}
		if alive {
			c.exit.unknown = fmt.Sprintf("it was killed and has not died for %v (%s)", c.killTime, c.exit.unknown)
		}
	}
	close(c.dead)
	c.output = c.tail.end()
	close(c.told)
}

// await returns nil when the process is dead, or an error when it was killed and has
// not died in time.
func (c *child) await() error {
	return c.raw.Read(func(fd uintptr) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
}

// wait reaps the process, and returns nil where somebody else has. The pidfd does not
// block, so that one that is held costs no thread.
func (c *child) wait() *os.ProcessState {
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		state, err := c.cmd.Process.Wait()
		if !errors.Is(err, unix.EAGAIN) {
			return state
		}
		time.Sleep(pause)
	}
}

// exitOf is how a process ended; state is nil where somebody else has reaped it.
func exitOf(state *os.ProcessState) exitState {
	if state == nil {
		return exitState{code: -1, unknown: "another part of this program has reaped it, or SIGCHLD is ignored"}
	}
	e := exitState{code: state.ExitCode(), cpu: state.UserTime() + state.SystemTime()}
	if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
		e.signal = ws.Signal().String()
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

func (c *child) PID() int              { return c.cmd.Process.Pid }
func (c *child) Dead() <-chan struct{} { return c.dead }

func (c *child) Exit() exitState { return c.exit }

func (c *child) Left() error {
	select {
	case <-c.reaped:
		return nil
	default:
		return fmt.Errorf("process %d: %s", c.PID(), c.exit.unknown)
	}
}

func (c *child) OOMKilled() bool {
	return (c.exit.signal == "killed" || c.exit.unknown != "") && c.pool.oomKilled(c.group)
}

func (c *child) Peak() int64 { return c.group.peak() }

func (c *child) Output() string {
	<-c.told
	return c.output
}

func (c *child) Release() {
	<-c.told
	if !c.held {
		<-c.reaped
	}
	if c.group.own {
		c.group.remove()
	}
}

// send sends a signal to the process: 0 looks whether it is there, dead or not. It is not once it was reaped.
func (c *child) send(sig unix.Signal) (err error) {
	if err2 := c.raw.Control(func(fd uintptr) { err = unix.PidfdSendSignal(int(fd), sig, nil, 0) }); err2 != nil {
		return err2
	}
	return err
}

// hasNumber reports whether the number is the process's: nobody has reaped it.
func (c *child) hasNumber() bool { return c.send(0) == nil }

func (c *child) Terminate() { c.send(unix.SIGTERM) }

func (c *child) Kill() {
	c.killGroup()
	c.send(unix.SIGKILL) // it may have left its group
	c.killed.Do(func() { c.handle.SetReadDeadline(time.Now().Add(c.killTime)) })
}

// pidfdGroup is PIDFD_SIGNAL_PROCESS_GROUP, of Linux 6.9.
const pidfdGroup = 1 << 2

// killGroup kills the group that the process made, also after it was reaped.
func (c *child) killGroup() {
	err := errors.ErrUnsupported
	c.raw.Control(func(fd uintptr) { err = unix.PidfdSendSignal(int(fd), unix.SIGKILL, nil, pidfdGroup) })
	if err == unix.EINVAL && (c.hasNumber() || unix.Kill(c.PID(), 0) == unix.ESRCH) { // no other process has the group's number
		unix.Kill(-c.PID(), unix.SIGKILL)
	}
}
