package chaos

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// A victim is a worker process, by a handle that is its own for ever: its pid may
// be another's when it is dead.
type victim struct{ fd int }

var errNoChild = errors.New("no living child of this process")

// openVictim opens the handle of a child that lives.
func openVictim(pid int) (victim, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return victim{}, os.NewSyscallError("pidfd_open", err)
	}
	v := victim{fd}
	// Looked at, and not reaped: that is the pool's.
	err = unix.Waitid(unix.P_PIDFD, fd, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	if err != nil || v.dead() {
		v.close()
		return victim{}, fmt.Errorf("pid %d: %w", pid, errNoChild)
	}
	return v, nil
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
