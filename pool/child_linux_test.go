package pool

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
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

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
)

type orphanIn struct {
	Children int
	How      string
}

// orphan dies in its first attempt, and leaves children.
var orphan = Func("test.orphan", func(t *Task, in orphanIn) (int, error) {
	if t.Attempt() > 1 {
		return t.Attempt(), nil
	}
	for range in.Children {
		if err := exec.Command("sleep", "1000").Start(); err != nil {
			return 0, err
		}
	}
	switch in.How {
	case "panic":
		go panic("in a goroutine")
	case "wait":
		unix.Prctl(unix.PR_SET_PTRACER, ^uintptr(0), 0, 0, 0) // fails where Yama is not there
	default:
		unix.Kill(os.Getpid(), unix.SIGKILL)
	}
	select {}
})

func init() {
	programs["sigchld"] = func(args []string) {
		switch args[0] {
		case "ignored":
			signal.Ignore(unix.SIGCHLD)
		case "reaped":
			go func() {
				for {
					pid, _ := syscall.Wait4(-1, nil, 0, nil)
					if pid <= 0 {
						time.Sleep(100 * time.Microsecond)
					}
				}
			}()
		}
		p, err := New(background(), &Options{Workers: 2, Replacement: Replacement{AfterTasks: 3, KeepWidth: true}})
		if err != nil {
			fmt.Println(err)
			return
		}
		for i := range 10 {
			how := []string{"kill", "panic"}[i%2]
			f, _ := orphan.Submit(background(), p, orphanIn{2, how})
			if n, err := f.Wait(background()); err != nil || n != 2 {
				fmt.Println(how, n, err)
			}
		}
		for _, err := range pid.Map(background(), p, make100) { // over workers that are retired
			if err != nil {
				fmt.Println(err)
			}
		}
		f, _ := die.Submit(background(), p, dieIn{How: "sigkill"})
		_, err = f.Wait(background())
		fmt.Println(err)
		fmt.Println("closed:", p.Close(background()))
		deaths := p.Stats().Deaths
		fmt.Println("unknown", deaths[ExitUnknown], "signal", deaths[ExitSignal], "fatal", deaths[ExitFatal], "classes", len(deaths), "children", len(children(os.Getpid())))
	}
	programs["process 1"] = func([]string) {
		p, err := New(background(), &Options{Workers: 2, Replacement: Replacement{KeepWidth: true}})
		if err != nil {
			fmt.Println(err)
			return
		}
		for range 5 {
			f, _ := orphan.Submit(background(), p, orphanIn{10, "kill"})
			if n, err := f.Wait(background()); err != nil || n != 2 {
				fmt.Println(n, err)
			}
		}
		fmt.Println("closed:", p.Close(background()))
		n := 0 // /proc may be another namespace's, but for self
		lists, _ := filepath.Glob("/proc/self/task/*/children")
		for _, l := range lists {
			b, _ := os.ReadFile(l)
			n += len(strings.Fields(string(b)))
		}
		fmt.Println("pid", os.Getpid(), "children", n)
	}
	programs["tracer"] = func(args []string) {
		runtime.LockOSThread()
		for _, arg := range args {
			tid, _ := strconv.Atoi(arg)
			if _, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(tid), 0, 0, 0, 0); errno != 0 {
				fmt.Println(errno)
				return
			}
		}
		fmt.Println("traces")
		io.Copy(io.Discard, os.Stdin)
	}
}

// Where SIGCHLD is ignored, or somebody else in the program reaps all children, deaths
// are seen, and nobody knows the exit status.
func TestSomebodyElseReaps(t *testing.T) {
	for _, how := range []string{"ignored", "reaped"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			b, err := program("sigchld", how).CombinedOutput()
			out := string(b)
			require.NoError(t, err, out)
			require.Contains(t, out, "closed: <nil>\n")
			require.Contains(t, out, "fatal 5 ", "Go's own word is there")
			require.Contains(t, out, "children 0\n")
			if how == "ignored" { // else it is a race
				require.Contains(t, out, "died, exit status unknown: another part of this program has reaped it, or SIGCHLD is ignored, running test.die, attempt 3\n")
				require.Contains(t, out, "unknown 8 signal 0 fatal 5 classes 2 ", "a worker that was retired is not dead")
			}
		})
	}
}

// As process 1 a supervisor is the new parent of what its dead workers have left.
func TestProcess1LeavesNoZombies(t *testing.T) {
	cmd := program("process 1")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.CombinedOutput()
	if os.IsPermission(err) {
		t.Skipf("no user and PID namespaces here: %v", err)
	}
	require.NoError(t, err, string(out))
	require.Equal(t, "closed: <nil>\npid 1 children 0\n", string(out))
}

// tracer is a debugger that attaches to some threads and takes no notice of what
// becomes of them.
func tracer(t *testing.T, tids ...string) (detach func()) {
	t.Helper()
	cmd := program("tracer", tids...)
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	detach = sync.OnceFunc(func() { in.Close(); cmd.Wait() })
	t.Cleanup(detach)
	if line := readLine(t, out); line != "traces" {
		t.Skipf("no ptrace here: %s", line)
	}
	return detach
}

// A debugger can keep a dead worker from being reaped, and its death from being seen.
// Neither holds its task up, nor Close.
func TestDebuggerHoldsDeadWorker(t *testing.T) {
	for _, whole := range []bool{false, true} {
		t.Run(fmt.Sprintf("whole=%v", whole), func(t *testing.T) {
			t.Parallel()
			p, err := start(background(), &Options{Workers: 1, Timeouts: Timeouts{Close: time.Second}}, func(p *Pool, slot int) (proc.Process, proc.Link, *lane.Lane, wire.Hello, error) {
				return p.launchAs(slot, proc.Config{KillTime: 200 * time.Millisecond})
			})
			require.NoError(t, err)
			f, err := orphan.Submit(background(), p, orphanIn{How: "wait"})
			require.NoError(t, err)
			eventually(t, func() bool { return p.Stats().Attempts == 1 }, "not begun")
			pid := p.Stats().Workers[0].PID
			tids := []string{strconv.Itoa(pid)}
			if whole {
				tids = nil
				threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
				require.NoError(t, err)
				for _, d := range threads {
					tids = append(tids, d.Name())
				}
			}
			detach := tracer(t, tids...)
			require.NoError(t, unix.Kill(pid, unix.SIGKILL))
			requireAttempt(t, f, 2)
			err = p.Close(background())
			if whole {
				require.ErrorContains(t, err, fmt.Sprintf("process %d: it was killed and has not died", pid))
				require.ErrorContains(t, err, "held by a debugger, pid ")
			} else {
				require.NoError(t, err)
			}
			s := p.Stats()
			require.Equal(t, map[ExitClass]int64{ExitUnknown: 1}, s.Deaths)
			require.DirExists(t, fmt.Sprintf("/proc/%d", pid), "nobody holds it: the test tests nothing")
			detach()
			eventually(t, func() bool { return !strings.Contains(fmt.Sprint(children(os.Getpid())), strconv.Itoa(pid)) }, "it was not reaped")
		})
	}
}
