package pool

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
	"example.com/handoff/shm/shmtest"
)

type dieIn struct {
	How  string
	Mark string // a file: the first attempt makes it and dies, later ones find it
	X    shm.View[float64]
}

var die = Func("test.die", func(t *Task, in dieIn) (float64, error) {
	if in.Mark != "" {
		if f, err := os.OpenFile(in.Mark, os.O_CREATE|os.O_EXCL, 0o600); err != nil {
			return in.X.Data()[0], nil
		} else {
			f.Close()
		}
	}
	switch in.How {
	case "sigkill":
		unix.Kill(os.Getpid(), unix.SIGKILL)
	case "segv":
		unix.Kill(os.Getpid(), unix.SIGSEGV)
	case "exit0":
		os.Exit(0)
	case "exit3":
		fmt.Fprintln(os.Stderr, "last words\x1b[31m")
		os.Exit(3)
	case "goroutine panic":
		go panic("in a goroutine")
	case "stack overflow":
		debug.SetMaxStack(1 << 20)
		return float64(deep(0)), nil
	case "end socket":
		unix.Shutdown(proc.SocketFD, unix.SHUT_RDWR)
	case "garbage":
		unix.Write(proc.SocketFD, []byte("garbage"))
	case "another's result":
		lane := t.call.Lane()
		lane.Up.Put(wire.AppendResult(nil, wire.StatusOK, wire.TaskID{Index: 77, Epoch: 3}))
		lane.Up.Publish()
		lane.Supervisor.Notify()
	case "no result":
		lane := t.call.Lane()
		lane.Up.Put([]byte("garbage"))
		lane.Up.Publish()
		lane.Supervisor.Notify()
	case "grandchild":
		cmd := exec.Command("sleep", "1000")
		cmd.Stdout = os.Stdout // holds the pipe open
		if err := cmd.Start(); err != nil {
			return 0, err
		}
		unix.Kill(os.Getpid(), unix.SIGKILL)
	}
	select {}
})

func deep(n int) int {
	if n < 0 {
		return 0
	}
	return deep(n+1) + 1
}

// A death costs one attempt of the task it hit and nothing else.
func TestDeathCostsOneAttempt(t *testing.T) {
	for how, want := range map[string]struct {
		class ExitClass
		text  string
	}{
		"sigkill":          {ExitSignal, "killed"},
		"segv":             {ExitFatal, "SIGSEGV"}, // the Go runtime reports it and exits with 2
		"exit0":            {ExitStatus, "exit status 0"},
		"exit3":            {ExitStatus, `exit status 3, by os.Exit or the like, running test.die, attempt 3; it wrote: "last words\x1b[31m"`},
		"goroutine panic":  {ExitFatal, "panic: in a goroutine"},
		"stack overflow":   {ExitFatal, "stack overflow"},
		"end socket":       {ExitSignal, "killed"}, // by itself, as at the supervisor's death
		"garbage":          {ExitProtocol, "kind 103, expected a grow"},
		"another's result": {ExitProtocol, "not given"},
		"no result":        {ExitProtocol, "malformed result of 7 bytes"},
		"grandchild":       {ExitSignal, "killed"},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			p, err := New(background(), &Options{Workers: 2, Replacement: Replacement{KeepWidth: true}})
			require.NoError(t, err)
			defer p.Close(background())
			x, err := shm.PutCopy(p.Arena(), []float64{42})
			require.NoError(t, err)
			bystander, err := pid.Submit(background(), p, 300*time.Millisecond)
			require.NoError(t, err)

			mark := filepath.Join(t.TempDir(), "mark")
			f, err := die.Submit(background(), p, dieIn{how, mark, x.View()})
			require.NoError(t, err)
			v, err := f.Wait(background())
			require.NoError(t, err)
			require.Equal(t, 42.0, v)
			_, err = bystander.Wait(background())
			require.NoError(t, err)
			eventually(t, func() bool { return len(p.Stats().Deaths) > 0 }, "the death was not counted")
			s := settled(t, p)
			require.Equal(t, map[ExitClass]int64{want.class: 1}, s.Deaths)
			require.Equal(t, int64(3), s.Attempts)

			// Three deaths are enough.
			f, err = die.Submit(background(), p, dieIn{how, "", x.View()})
			require.NoError(t, err)
			_, err = f.Wait(background())
			require.ErrorIs(t, err, ErrWorkerDied)
			require.ErrorContains(t, err, want.text)
			var death *WorkerExitError
			require.ErrorAs(t, err, &death)
			require.Equal(t, 3, death.Attempt)
			require.Equal(t, want.class, death.Class)
			if how == "grandchild" {
				eventually(t, func() bool { return unix.Kill(-death.PID, 0) == unix.ESRCH }, "the grandchild lives on")
			}
		})
	}
}

var releaseOut = Func("test.releaseOut", func(t *Task, out shm.Array[float64]) (int, error) {
	out.Release()
	return 0, nil
})

// A View has no Release, an Array's panics.
func TestArgumentsAreNotTheFunctionsToRelease(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	x, err := shm.PutCopy(p.Outputs(), []float64{42})
	require.NoError(t, err)
	defer x.Release()
	f, err := releaseOut.Submit(background(), p, x)
	require.NoError(t, err)
	_, err = f.Wait(background())
	require.ErrorContains(t, err, "Release of a part of an array, or of a task's argument")
	require.Empty(t, p.Stats().Deaths)
}

// An idle worker killed: nothing fails. All workers killed at one moment: likewise.
func TestIdleDeaths(t *testing.T) {
	for _, n := range []int{1, 2, 5, 13} {
		p := newPool(t, &Options{Workers: n})
		eventually(t, func() bool { return len(p.Stats().Workers) == n }, "not all are up")
		for _, w := range p.Stats().Workers {
			require.NoError(t, unix.Kill(w.PID, unix.SIGKILL))
		}
		n100 := 0
		for _, err := range pid.Map(background(), p, make100) {
			require.NoError(t, err)
			n100++
		}
		require.Equal(t, 100, n100)
		require.NoError(t, p.Close(background()))
	}
}

func make100(yield func(time.Duration) bool) {
	for range 100 {
		if !yield(0) {
			return
		}
	}
}

// A worker that is stopped keeps the task that it runs, and no other.
func TestStoppedWorkerKeepsNothing(t *testing.T) {
	p := newPool(t, &Options{Workers: 2})
	eventually(t, func() bool { return len(p.Stats().Workers) == 2 }, "not both are up")
	stopped := p.Stats().Workers[0].PID
	stop(t, stopped)
	ctx, cancel := context.WithTimeout(background(), time.Minute)
	defer cancel()
	for i := range int64(20) { // the first goes to the one that is stopped
		f, err := addOne.Submit(ctx, p, i)
		require.NoError(t, err)
		v, err := f.Wait(ctx)
		require.NoError(t, err)
		require.Equal(t, i+1, v)
	}
	require.NoError(t, unix.Kill(stopped, unix.SIGCONT))
	require.Empty(t, p.Stats().Deaths)
}

// A stopped worker blocks nobody else: the supervisor never waits for it.
func TestStoppedWorkerIsKilledAtClose(t *testing.T) {
	p := newPool(t, &Options{Workers: 2, Timeouts: Timeouts{Close: 50 * time.Millisecond}})
	eventually(t, func() bool { return len(p.Stats().Workers) == 2 }, "not all are up")
	stop(t, p.Stats().Workers[0].PID)
	var futures []Future[int]
	for range 10 {
		f, err := pid.Submit(background(), p, 0)
		require.NoError(t, err)
		futures = append(futures, f)
	}
	for _, f := range futures { // also those that were to be its
		_, err := f.Wait(background())
		require.NoError(t, err)
	}
	require.NoError(t, p.Close(background()))
}

func init() {
	programs["no main"] = func([]string) {
		// A worker of this program comes here with its variable still set.
		os.Setenv(wire.WorkerEnv, wire.WorkerStart{Version: wire.Version}.String())
		_, err := New(background(), nil)
		fmt.Println(err)
	}
	programs["bad start"] = func(args []string) {
		// The shortest bound that is not under test is far longer than any start.
		opts := &Options{Workers: 2, Timeouts: Timeouts{Start: time.Hour}, Env: []string{"POOL_TEST_BAD_START=" + args[0]}}
		patience := time.Minute
		switch args[0] {
		case "hang":
			opts.Timeouts.Start = 50 * time.Millisecond
		case "give up":
			opts.Env, patience = []string{"POOL_TEST_BAD_START=hang"}, 50*time.Millisecond
		}
		ctx, cancel := context.WithTimeout(background(), patience)
		defer cancel()
		p, err := New(ctx, opts)
		fmt.Println(p, err, len(children(os.Getpid())))
	}
	programs["supervisor"] = func(args []string) {
		p, err := New(background(), &Options{Workers: 2})
		if err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		x, _ := shm.PutCopy(p.Arena(), []float64{1})
		for range 2 {
			busy.Submit(background(), p, busyIn{args[0], x.View()})
		}
		for {
			b, _ := os.ReadFile(args[0])
			if strings.Count(string(b), "\n") == 4 { // both workers and their children
				break
			}
			time.Sleep(time.Millisecond)
		}
		fmt.Println(p.Run().ID())
		select {}
	}
}

type busyIn struct {
	File string
	X    shm.View[float64]
}

// busy writes its pid and that of a child it starts, and computes for ever.
var busy = Func("test.busy", func(t *Task, in busyIn) (float64, error) {
	cmd := exec.Command("sleep", "1000")
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	f, err := os.OpenFile(in.File, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(f, "%d\n%d\n", os.Getpid(), cmd.Process.Pid)
	f.Close()
	s := 0.0
	for {
		s += in.X.Data()[0]
	}
})

func program(name string, args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "POOL_TEST_PROGRAM="+name)
	return cmd
}

// A program whose workers never say hello: New says so, and what they wrote.
func TestWorkersThatDoNotStart(t *testing.T) {
	out, err := program("bad start", "exit").CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(out), "5 workers in a row did not start")
	require.Contains(t, string(out), `call pool.Main() first?; it wrote: "cannot begin"`)
	require.NotContains(t, string(out), "goroutine ")
	require.NotContains(t, string(out), ErrClosed.Error())

	out, err = program("bad start", "hang").CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(out), "it said nothing within its start timeout of 50ms and was killed")

	// Whoever gives up waiting for them does not wait for Timeouts.Start.
	out, err = program("bad start", "give up").CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(out), "no worker is ready: context deadline exceeded 0")
}

func TestNoMain(t *testing.T) {
	out, err := program("no main").CombinedOutput()
	require.NoError(t, err)
	require.Contains(t, string(out), ErrNoMain.Error())
}

// The supervisor is killed: its workers and what these started are gone within
// 2 s, and the next pool removes the segments.
func TestSupervisorKilled(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	for _, stopped := range []int{0, 1, 2} {
		t.Run(fmt.Sprintf("stopped=%d", stopped), func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "pids")
			cmd := program("supervisor", file)
			out, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			id := readLine(t, out)
			pids := readPIDs(t, file)
			for _, pid := range pids[:2*stopped] {
				stop(t, pid)
			}
			require.NoError(t, cmd.Process.Kill())
			cmd.Wait()
			requireGone(t, pids)

			left, _ := filepath.Glob("/dev/shm/*" + id + "*")
			require.NotEmpty(t, left, "nothing to remove: the test tests nothing")
			newPool(t, &Options{Workers: 1})
			left, _ = filepath.Glob("/dev/shm/*" + id + "*")
			require.Empty(t, left)
		})
	}
}

// The same where the new parent, a shell as process 1, is of the same session,
// and so the kernel wakes no stopped worker.
func TestSupervisorKilledUnderShell(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pids")
	cmd := exec.Command("sh", "-c", `"$0" "$1" & read line; kill -9 $!; sleep 1000`, selfExeResolved(t), file)
	cmd.Env = append(os.Environ(), "POOL_TEST_PROGRAM=supervisor")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setsid:      true,
		Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}},
	}
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	if err := cmd.Start(); errors.Is(err, os.ErrPermission) {
		t.Skipf("no user and PID namespaces here: %v", err)
	} else {
		require.NoError(t, err)
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	readLine(t, out)
	var pids []int // the file has those of the namespace
	for _, pid := range descendants(t, cmd.Process.Pid) {
		if strings.Contains(commandLine(pid), "sleep") || isWorkerProcess(pid) {
			pids = append(pids, pid)
		}
	}
	require.Len(t, pids, 4, "two workers and their children")
	for _, pid := range pids { // all are stopped
		stop(t, pid)
	}
	_, err = io.WriteString(in, "go\n")
	require.NoError(t, err)
	requireGone(t, pids)
}

// stop returns when the process is stopped, not when it was told to.
func stop(t *testing.T, pid int) {
	t.Helper()
	require.NoError(t, unix.Kill(pid, unix.SIGSTOP))
	eventually(t, func() bool {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		return strings.Contains(string(b), ") T ")
	}, "not stopped")
}

func selfExeResolved(t *testing.T) string {
	exe, err := os.Executable()
	require.NoError(t, err)
	return exe
}

func descendants(t *testing.T, pid int) (all []int) {
	for _, c := range children(pid) {
		n, _ := strconv.Atoi(c)
		all = append(append(all, n), descendants(t, n)...)
	}
	return all
}

func commandLine(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return strings.ReplaceAll(string(b), "\x00", " ")
}

func isWorkerProcess(pid int) bool {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	return strings.Contains("\x00"+string(b), "\x00"+wire.WorkerEnv+"=") && !strings.Contains(commandLine(pid), "sleep")
}

func readLine(t *testing.T, r io.Reader) string {
	t.Helper()
	line, err := bufio.NewReader(r).ReadString('\n')
	require.NoError(t, err)
	return strings.TrimSpace(line)
}

func readPIDs(t *testing.T, file string) (pids []int) {
	t.Helper()
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	for _, f := range strings.Fields(string(b)) {
		pid, err := strconv.Atoi(f)
		require.NoError(t, err)
		pids = append(pids, pid)
	}
	require.Len(t, pids, 4)
	return pids
}

// requireGone is the watchdog of the promise "gone within 2 s".
func requireGone(t *testing.T, pids []int) {
	t.Helper()
	alive := func() (left []int) {
		for _, pid := range pids {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			if err == nil && !strings.Contains(string(b), ") Z ") {
				left = append(left, pid)
			}
		}
		return left
	}
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if len(alive()) == 0 {
			return
		}
	}
	left := alive()
	for _, pid := range left {
		unix.Kill(pid, unix.SIGKILL)
	}
	require.Empty(t, left, "alive 2 s after the supervisor was killed")
}

var printOnce = Func("test.printOnce", func(t *Task, kill bool) (int, error) {
	fmt.Println("a line")
	if kill && t.Attempt() == 1 {
		unix.Kill(os.Getpid(), unix.SIGKILL)
		time.Sleep(time.Hour)
	}
	return t.Attempt(), nil
})
