package shm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm/shmtest"
)

func init() {
	// gcjson collects once and prints the result.
	helpers["gcjson"] = func(args []string) error {
		if len(args) > 0 {
			signalAt(args)
		}
		res, err := GC(context.Background())
		json.NewEncoder(os.Stdout).Encode(res)
		return err
	}
	// gcloop collects until its input ends and prints the sum.
	helpers["gcloop"] = func([]string) error {
		done := make(chan struct{})
		go func() { bufio.NewReader(os.Stdin).ReadString('\n'); close(done) }()
		var sum GCResult
		for rounds := 0; ; rounds++ {
			select {
			case <-done:
				if rounds == 0 {
					return errors.New("no round of gc was made")
				}
				return json.NewEncoder(os.Stdout).Encode(sum)
			default:
			}
			res, err := GC(context.Background())
			if err != nil {
				return err
			}
			sum.Segments += res.Segments
			sum.Runs += res.Runs
			sum.Bytes += res.Bytes
		}
	}
	// births lives and ends many times, and looks whether somebody took a file.
	helpers["births"] = func(args []string) error {
		n, _ := strconv.Atoi(args[0])
		for range n {
			if err := bearAndEnd(); err != nil {
				return err
			}
		}
		return nil
	}
	// birth makes a run and a segment, gets a signal at a step of it, and ends
	// without closing them.
	helpers["birth"] = func(args []string) error {
		signalAt(args)
		r, err := NewRun()
		if err != nil {
			return err
		}
		atStep("run made")
		// What Create does first, up to the moment before the reservation.
		f, err := openFile(segmentName(r.ID(), 1), unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0o600)
		if err != nil {
			return err
		}
		atStep("segment named")
		if err := reserve(f, 4096); err != nil {
			return err
		}
		atStep("segment reserved")
		fmt.Println(r.ID())
		return errors.Join(sameFile(lockName(r.ID()), r.lock), sameFile(f.Name()[len(dir)+1:], f))
	}
	// ls lists once.
	helpers["ls"] = func(args []string) error {
		signalAt(args)
		runs, err := List()
		json.NewEncoder(os.Stdout).Encode(runs)
		return err
	}
}

// signalAt arranges for this process to get a signal at the nth time it comes to a step.
func signalAt(args []string) {
	step, n, sig := args[0], args[1], args[2]
	left, _ := strconv.Atoi(n)
	atStep = func(s string) {
		if s != step {
			return
		}
		if left--; left == 0 {
			// To this thread: it gets the signal before it does anything else.
			runtime.LockOSThread()
			unix.Tgkill(os.Getpid(), unix.Gettid(), map[string]unix.Signal{"STOP": unix.SIGSTOP, "KILL": unix.SIGKILL}[sig])
			runtime.UnlockOSThread()
		}
	}
}

func bearAndEnd() error {
	r, err := NewRun()
	if err != nil {
		return err
	}
	seg, err := r.Create(4096)
	if err != nil {
		return errors.Join(err, r.Close())
	}
	again, err := Attach(seg.Name(), 4096, ReadOnly) // its name is still there
	if err != nil {
		return errors.Join(err, r.Close())
	}
	return errors.Join(sameFile(lockName(r.ID()), r.lock), again.Close(), r.Close())
}

// sameFile is an error unless the opened file still has its name.
func sameFile(name string, f *os.File) error {
	var held, named unix.Stat_t
	if err := errors.Join(unix.Fstat(int(f.Fd()), &held), unix.Lstat(dir+"/"+name, &named)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if held.Ino != named.Ino {
		return fmt.Errorf("%s is another file", name)
	}
	return nil
}

// startStopped starts a helper that stops itself, and waits until it has.
func startStopped(t *testing.T, name string, args ...string) (*exec.Cmd, *strings.Builder) {
	t.Helper()
	cmd, out := helper(t, name, args...), &strings.Builder{}
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	var status unix.WaitStatus
	err := error(unix.EINTR)
	for err == unix.EINTR {
		_, err = unix.Wait4(cmd.Process.Pid, &status, unix.WUNTRACED, nil)
	}
	require.NoError(t, err)
	require.True(t, status.Stopped(), "%s %v ended: %v %s", name, args, status, out)
	return cmd, out
}

// resume lets a stopped helper go on to its end.
func resume(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	require.NoError(t, cmd.Process.Signal(unix.SIGCONT))
	require.NoError(t, cmd.Wait())
}

// gcJSON runs a collector in a process of its own.
func gcJSON(t *testing.T, args ...string) GCResult {
	t.Helper()
	out, err := helper(t, "gcjson", args...).Output()
	require.NoError(t, err)
	return parseGC(t, string(out))
}

func parseGC(t *testing.T, out string) (res GCResult) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(out), &res), out)
	return res
}

// killedRun leaves what a run of a program that was killed leaves.
func killedRun(t *testing.T, segments int) (id string) {
	t.Helper()
	cmd, id := startHelper(t, "hold", strconv.Itoa(segments))
	require.NoError(t, cmd.Process.Kill())
	cmd.Wait()
	return id
}

func soak(quick, long int) int {
	if os.Getenv("HANDOFF_SOAK") != "" {
		return long
	}
	return quick
}

// Runs begin and end while several collectors and a looker never rest: nobody
// loses a file, and nothing is left.
func TestGCWhileRunsBegin(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	var loops []*exec.Cmd
	var ends []func() error
	for range 3 {
		cmd := helper(t, "gcloop")
		in, err := cmd.StdinPipe()
		require.NoError(t, err)
		cmd.Stderr = os.Stderr
		require.NoError(t, cmd.Start())
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		loops, ends = append(loops, cmd), append(ends, in.Close)
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			runs, err := List()
			if err != nil {
				t.Error(err)
			}
			for _, r := range runs {
				if r.State != Alive { // none is ever killed
					t.Errorf("a living run is listed as %+v", r)
				}
				if len(r.Segments) > 0 {
					if st, err := Stat(r.Segments[0].Name); err == nil && st.State != Alive || err != nil && !errors.Is(err, fs.ErrNotExist) {
						t.Errorf("a living run's segment: %+v, %v", st, err)
					}
				}
			}
		}
	})
	var births sync.WaitGroup
	for range 4 {
		births.Go(func() {
			if out, err := helper(t, "births", strconv.Itoa(soak(100, 5000))).CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	births.Wait()
	close(stop)
	wg.Wait()
	for i, cmd := range loops {
		require.NoError(t, ends[i]())
		require.NoError(t, cmd.Wait())
	}
	require.Empty(t, filesOf(t, ""))
}

// Wherever a run's birth is stopped, or ends for good.
func TestGCAtEachStepOfABirth(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	for _, row := range []struct {
		step  string
		files int
	}{
		{"lock made", 0},
		{"lock taken", 0},
		{"lock named", 1},
		{"run made", 1},
		{"segment named", 2},
		{"segment reserved", 2},
	} {
		t.Run(row.step, func(t *testing.T) {
			stopped, out := startStopped(t, "birth", row.step, "1", "STOP")
			for range 3 {
				require.Equal(t, GCResult{Alive: min(row.files, 1)}, gcJSON(t))
			}
			require.Len(t, filesOf(t, ""), row.files)
			runs, err := List()
			require.NoError(t, err)
			for _, r := range runs {
				require.Equal(t, Alive, r.State)
			}
			resume(t, stopped) // it looks for its files itself
			require.Len(t, filesOf(t, strings.TrimSpace(out.String())), 2)
			require.Equal(t, GCResult{Runs: 1, Segments: 1, Bytes: 4096}, gcJSON(t))

			err = helper(t, "birth", row.step, "1", "KILL").Run()
			require.ErrorContains(t, err, "killed")
			require.Len(t, filesOf(t, ""), row.files)
			res := gcJSON(t)
			require.Equal(t, max(row.files-1, 0), res.Segments)
			require.Equal(t, min(row.files, 1), res.Runs)
			require.Empty(t, filesOf(t, ""))
		})
	}
}

// A collector that is killed or stopped after any of its removals: the next one
// finishes, the lock goes last, and each file is counted once.
func TestGCKilledAtEachStep(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	segments := soak(6, 40)
	for n := 1; n <= segments; n++ {
		id := killedRun(t, segments)
		err := helper(t, "gcjson", "segment removed", strconv.Itoa(n), "KILL").Run()
		require.ErrorContains(t, err, "killed")
		left := filesOf(t, id)
		require.Len(t, left, segments-n+1)
		require.Contains(t, left, lockName(id))
		require.Equal(t, Orphan, stateOf(t, id))
		require.Equal(t, GCResult{Runs: 1, Segments: segments - n, Bytes: int64(segments-n) * 4096}, gcJSON(t))
		require.Empty(t, filesOf(t, ""))
	}
	for _, step := range []string{"lock opened", "lock probed", "segment removed"} {
		id := killedRun(t, segments)
		stopped, out := startStopped(t, "gcjson", step, "1", "STOP")
		require.Equal(t, Orphan, stateOf(t, id), "a collector is no life")
		second := gcJSON(t)
		require.Empty(t, filesOf(t, ""))
		resume(t, stopped)
		first := parseGC(t, out.String())
		require.Equal(t, GCResult{Runs: 1, Segments: segments, Bytes: int64(segments) * 4096},
			GCResult{first.Runs + second.Runs, first.Segments + second.Segments, first.Bytes + second.Bytes, first.Alive + second.Alive}, step)
	}
}

// A looker that holds its shared lock for as long as it likes.
func TestGCBesideAStoppedLooker(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	for _, step := range []string{"lock opened", "lock probed"} {
		killedRun(t, 2)
		stopped, out := startStopped(t, "ls", step, "1", "STOP")
		require.Equal(t, GCResult{Runs: 1, Segments: 2, Bytes: 8192}, gcJSON(t))
		resume(t, stopped)
		require.NotContains(t, out.String(), Alive)
		require.NotContains(t, out.String(), Unknown)
	}
}

func TestGCTrustsNoPid(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	id := killedRun(t, 3)
	// The dead program's pid is a living one's now: ours.
	require.NoError(t, os.WriteFile(dir+"/"+lockName(id), fmt.Appendf(nil, "%d shm.test\n", os.Getpid()), 0o600))
	require.Equal(t, Orphan, stateOf(t, id))
	require.Equal(t, GCResult{Runs: 1, Segments: 3, Bytes: 3 * 4096}, gcJSON(t))
	require.Empty(t, filesOf(t, ""))
}

// Files that no program of ours made, under names of ours.
func TestGCAmongStrangeFiles(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	at := func(name string) string { return dir + "/" + name }
	gc := func() GCResult {
		t.Helper()
		res, err := GC(context.Background())
		require.NoError(t, err)
		_, err = List()
		require.NoError(t, err)
		return res
	}
	live := newRun(t)
	seg, err := live.Create(4096)
	require.NoError(t, err)

	t.Run("a lock file made by hand", func(t *testing.T) {
		id := newRunID()
		for _, text := range []string{"", "1 init\n", strings.Repeat("x", 10000), "\x00\x1b[31m\n"} {
			require.NoError(t, os.WriteFile(at(lockName(id)), []byte(text), 0o600))
			require.NoError(t, os.WriteFile(at(segmentName(id, 1)), []byte("abc"), 0o600))
			require.Equal(t, Orphan, stateOf(t, id))
			require.Equal(t, GCResult{Runs: 1, Segments: 1, Bytes: 3, Alive: 1}, gc())
		}
	})
	t.Run("a hard link to a living run's lock", func(t *testing.T) {
		id := newRunID()
		require.NoError(t, os.Link(at(lockName(live.ID())), at(lockName(id))))
		require.Equal(t, GCResult{Alive: 2}, gc())
		require.NoError(t, os.Remove(at(lockName(id))))
	})
	t.Run("a hard link to a segment", func(t *testing.T) {
		id := killedRun(t, 1)
		require.NoError(t, os.Link(at(seg.Name()), at(segmentName(id, 2))))
		require.Equal(t, GCResult{Runs: 1, Segments: 2, Bytes: 8192, Alive: 1}, gc())
		require.NoError(t, unix.Access(at(seg.Name()), unix.F_OK), "the living run's name went with the link's")
	})
	t.Run("no regular files", func(t *testing.T) {
		id := newRunID()
		require.NoError(t, unix.Mkfifo(at(lockName(id)), 0o600))
		require.NoError(t, os.Symlink(seg.Name(), at(segmentName(id, 1))))
		require.NoError(t, os.Mkdir(at(segmentName(id, 2)), 0o700))
		require.Equal(t, GCResult{Alive: 1}, gc())
		require.Len(t, filesOf(t, id), 3)
		for _, name := range filesOf(t, id) {
			require.NoError(t, os.Remove(at(name)))
		}
	})
	t.Run("names that are nearly ours", func(t *testing.T) {
		id := newRunID()
		names := []string{"handoff-", "handoff-" + id, lockName(id) + "x", lockName(id[1:]), lockName(strings.ToUpper(id[:23]) + "F"),
			segmentName(id, 1) + "x", "handoff-" + id + "-0", "handoff-" + id + "-01", "handoff-" + id + "--1", "handoff-" + id + "-+1"}
		for _, name := range names {
			require.NoError(t, os.WriteFile(at(name), nil, 0o600))
		}
		require.Equal(t, GCResult{Alive: 1}, gc())
		for _, name := range names {
			require.NoError(t, os.Remove(at(name)), "gc took it")
		}
	})
	t.Run("another user's", func(t *testing.T) {
		id := killedRun(t, 2)
		for _, name := range filesOf(t, id) {
			if err := os.Chown(at(name), 12345, 12345); err != nil {
				t.Logf("not tried: no other user here: %v", err)
				gc()
				return
			}
		}
		require.Equal(t, GCResult{Alive: 1}, gc())
		require.Len(t, filesOf(t, id), 3)
		require.Empty(t, stateOf(t, id))
		for _, name := range filesOf(t, id) {
			require.NoError(t, os.Remove(at(name)))
		}
	})
	t.Run("one that cannot be removed", func(t *testing.T) {
		stuck, other := killedRun(t, 2), killedRun(t, 2)
		// A mount point: unlink answers EBUSY.
		name := at(segmentName(stuck, 1))
		require.NoError(t, unix.Mount(at(seg.Name()), name, "", unix.MS_BIND, ""))
		_, err := GC(context.Background())
		require.ErrorContains(t, err, "shm: gc: unlink "+name)
		require.Empty(t, filesOf(t, other), "one file kept gc from another run's")
		require.Contains(t, filesOf(t, stuck), lockName(stuck))
		require.NoError(t, unix.Unmount(name, 0))
		gc()
		require.Empty(t, filesOf(t, stuck))
	})
	require.Equal(t, Alive, stateOf(t, live.ID()))
}

// Between the opening of a lock file and the look at its lock another file, of
// somebody alive, gets its name.
func TestGCOfAReplacedLock(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	id := killedRun(t, 1)
	var alive *os.File
	defer func() { atStep = func(string) {} }()
	atStep = func(step string) {
		if step != "lock opened" || alive != nil {
			return
		}
		var err error
		require.NoError(t, os.Remove(dir+"/"+lockName(id)))
		alive, err = newLock(lockName(id))
		require.NoError(t, err)
	}
	for _, want := range []GCResult{{}, {Alive: 1}} {
		res, err := GC(context.Background())
		require.NoError(t, err)
		require.Equal(t, want, res)
		require.Len(t, filesOf(t, id), 2)
	}
	require.NoError(t, alive.Close())
	require.Equal(t, GCResult{Runs: 1, Segments: 1, Bytes: 4096}, gcJSON(t))
}

// In a container that shares /dev/shm the pids are others, and the locks the same.
func TestGCInAContainer(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	_, live := startHelper(t, "hold", "3")
	dead := killedRun(t, 5)
	cmd := helper(t, "gcjson")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getuid(), HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}},
	}
	out, err := cmd.Output()
	if cmd.ProcessState == nil {
		t.Skipf("no user and pid namespace here: %v", err)
	}
	require.NoError(t, err)
	require.Equal(t, GCResult{Runs: 1, Segments: 5, Bytes: 5 * 4096, Alive: 1}, parseGC(t, string(out)))
	require.Empty(t, filesOf(t, dead))
	require.Len(t, filesOf(t, live), 4)

	// And the other way round: a run inside is seen from outside.
	inside := helper(t, "hold", "2")
	inside.SysProcAttr = cmd.SysProcAttr
	pipe, err := inside.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, inside.Start())
	t.Cleanup(func() { inside.Process.Kill(); inside.Wait() })
	id, err := bufio.NewReader(pipe).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, Alive, stateOf(t, strings.TrimSpace(id)))
	require.Equal(t, GCResult{Alive: 2}, gcJSON(t))
	require.NoError(t, inside.Process.Kill())
	inside.Wait()
	require.Equal(t, GCResult{Runs: 1, Segments: 2, Bytes: 8192, Alive: 1}, gcJSON(t))
}
