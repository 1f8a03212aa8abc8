package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// A victim is a worker process, by a handle that is its own for ever: its pid may
// be another's when it is dead.
type victim struct{ fd int }

var errNoChild = errors.New("no living child of the target")

// openVictim opens the handle of a child of parent that lives.
func openVictim(pid, parent int) (victim, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return victim{}, os.NewSyscallError("pidfd_open", err)
	}
	v := victim{fd}
	// If the process of the handle lives after it was read whose child the pid is, what
	// was read is about that process.
	if parentOf(pid) != parent || v.dead() {
		v.close()
		return victim{}, fmt.Errorf("pid %d: %w", pid, errNoChild)
	}
	return v, nil
}

// parentOf is the parent of a process; 0 if there is no such process.
func parentOf(pid int) (parent int) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	after := b[bytes.LastIndexByte(b, ')')+1:] // a name may have anything in it
	if f := bytes.Fields(after); len(f) > 1 {
		parent, _ = strconv.Atoi(string(f[1]))
	}
	return parent
}

// dead reports whether the process has ended.
func (v victim) dead() bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(v.fd), Events: unix.POLLIN}}, 0)
	return err == nil && n > 0
}

// deal sends the signal that a fault is.
func (v victim) deal(f Fault) error {
	return v.send(map[Fault]unix.Signal{Kill: unix.SIGKILL, Segv: unix.SIGSEGV, Pause: unix.SIGSTOP, Freeze: unix.SIGSTOP}[f])
}

// resume undoes Pause and Freeze. A dead process does not mind.
func (v victim) resume() { v.send(unix.SIGCONT) }

func (v victim) send(sig unix.Signal) error {
	return os.NewSyscallError("pidfd_send_signal", unix.PidfdSendSignal(v.fd, sig, nil, 0))
}

func (v victim) close() { unix.Close(v.fd) }

// supported reports whether there can be storms here.
func supported() error { return nil }
