package main

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/cmd/handoff/internal/chaos"
)

// A terminal is a pseudo-terminal with a command on it, as its controlling terminal.
type terminal struct {
	*exec.Cmd
	out    lineReader
	master *os.File
	shown  chan struct{} // closed when all output was read
}

// onTerminal starts the command on a terminal of so many columns. It is killed at the
// end of the test, if it is still there.
func onTerminal(t *testing.T, columns int, env []string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	require.NoError(t, err)
	tt := &terminal{Cmd: command(args...), master: master, shown: make(chan struct{})}
	number := 0
	tt.control(t, func(fd int) error {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		number, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		return err
	})
	tt.resize(t, columns)
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	tt.Stdin, tt.Stdout, tt.Stderr = slave, slave, slave
	tt.Env = append(append(tt.Env, "TERM=xterm-256color"), env...)
	tt.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	require.NoError(t, tt.Start())
	require.NoError(t, slave.Close())
	go func() {
		defer close(tt.shown)
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b) // EIO when no process has the terminal any more
			tt.out.Write(b[:n])
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { kill(tt.Cmd); master.Close(); <-tt.shown })
	return tt
}

func (tt *terminal) control(t *testing.T, f func(fd int) error) {
	t.Helper()
	raw, err := tt.master.SyscallConn()
	require.NoError(t, err)
	require.NoError(t, raw.Control(func(fd uintptr) { err = f(int(fd)) }))
	require.NoError(t, err)
}

func (tt *terminal) resize(t *testing.T, columns int) {
	t.Helper()
	tt.control(t, func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: uint16(columns)})
	})
}

// press types a key.
func (tt *terminal) press(t *testing.T, key string) {
	t.Helper()
	_, err := tt.master.WriteString(key)
	require.NoError(t, err)
}

const controlC = "\x03"

// ends waits for the end of the command and returns its exit code; 128+n if a signal
// has killed it.
func (tt *terminal) ends(t *testing.T) int {
	t.Helper()
	watchdog := time.AfterFunc(time.Minute, func() { tt.Process.Kill() })
	tt.Wait()
	require.True(t, watchdog.Stop(), "it hangs: %q", tt.out.String())
	if s := tt.ProcessState.Sys().(syscall.WaitStatus); s.Signaled() {
		return 128 + int(s.Signal())
	}
	return tt.ProcessState.ExitCode()
}

// all is what was shown in the end.
func (tt *terminal) all() string {
	<-tt.shown
	return tt.out.String()
}

var (
	framesOf  = regexp.MustCompile(`\r([^\r\n\x1b]+)\x1b\[K`)
	percentOf = regexp.MustCompile(`(\d+)%`)
)

// requireBar holds what was shown against what a bar is: from 0 % to 100 %, never back,
// and gone in the end. It returns how much was shown to be done.
func requireBar(t *testing.T, shown string, columns int) (percents []int) {
	t.Helper()
	frames := framesOf.FindAllStringSubmatch(shown, -1)
	for _, f := range frames {
		require.Less(t, len(f[1]), columns, "%q", f[1])
		m := percentOf.FindStringSubmatch(f[1])
		require.NotNil(t, m, "%q", f[1])
		n, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		percents = append(percents, n)
	}
	require.NotEmpty(t, percents, "no bar in %q", shown)
	require.Zero(t, percents[0])
	require.IsNonDecreasing(t, append([]int{0}, percents...))
	last := strings.LastIndex(shown, lineStart+clearLine)
	require.Greater(t, last, strings.LastIndex(shown, "%"+" ["), "the bar is not taken away: %q", shown)
	return percents
}

// requireNothingOf waits until no process of the command's session is there, and no
// segment of it.
func requireNothingOf(t *testing.T, pid int) {
	t.Helper()
	require.Eventually(t, func() bool { return len(sessionOf(pid)) == 0 && len(filesOf(t, pid)) == 0 }, 30*time.Second, 5*time.Millisecond,
		"processes %v, segments %v", sessionOf(pid), filesOf(t, pid))
}

func sessionOf(session int) (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, err := chaos.ReadProcess(pid); err == nil && p.Session == session && !p.Dead {
			pids = append(pids, pid)
		}
	}
	return pids
}
