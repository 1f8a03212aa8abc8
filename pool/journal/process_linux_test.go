package journal_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"example.com/handoff/pool/journal"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func init() {
	programs["hold"] = holdProgram
	programs["create"] = createProgram
}

// command runs a program of this test binary in a folder.
func command(t *testing.T, dir, name string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "JOURNAL_TEST_PROGRAM="+name)
	cmd.Stderr = os.Stderr
	return cmd
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// holdProgram has the journal until its input ends.
func holdProgram([]string) {
	j, err := journal.Create("state", []byte("of the first"), nil)
	exitOn(err)
	exitOn(j.Append([]byte("durable")))
	exitOn(j.Sync())
	exitOn(j.Append([]byte("in memory")))
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	exitOn(j.Close())
}

func TestLocked(t *testing.T) {
	base := t.TempDir()
	dir := filepath.Join(base, "state")
	cmd := command(t, base, "hold")
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	defer func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	line, err := bufio.NewReader(stdout).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ready\n", line)

	refused := func(err error, pid int) {
		t.Helper()
		var locked *journal.LockedError
		require.ErrorAs(t, err, &locked)
		require.ErrorIs(t, err, journal.ErrLocked)
		require.Equal(t, pid, locked.PID)
		require.Equal(t, filepath.Join(dir, "journal.lock"), locked.Path)
		require.ErrorContains(t, err, fmt.Sprintf("is locked by process %d: wait until that has ended, or end it", pid))
	}
	for range 2 {
		_, err = journal.Open(dir, nil)
		refused(err, cmd.Process.Pid)
		_, err = journal.Create(dir, nil, nil)
		refused(err, cmd.Process.Pid)
	}
	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())

	j, recs := open(t, dir, nil)
	require.Equal(t, []string{"durable"}, recs)
	_, err = journal.Open(dir, nil)
	refused(err, os.Getpid())
	// No child inherits the descriptors.
	child := command(t, t.TempDir(), "hold")
	stdin2, err := child.StdinPipe()
	require.NoError(t, err)
	stdout2, err := child.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, child.Start())
	_, err = bufio.NewReader(stdout2).ReadString('\n')
	require.NoError(t, err)
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", child.Process.Pid))
	require.NoError(t, err)
	require.NotEmpty(t, links)
	for _, link := range links {
		to, _ := os.Readlink(link)
		require.False(t, strings.HasPrefix(to, dir), to)
	}
	require.NoError(t, stdin2.Close())
	require.NoError(t, child.Wait())
	require.NoError(t, j.Close())
	j, _ = open(t, dir, nil)
	require.NoError(t, j.Remove())
	require.NoDirExists(t, dir)
}

// createProgram tries to create a journal as soon as its input ends, and keeps it.
func createProgram(args []string) {
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	j, err := journal.Create("state", []byte(args[0]), nil)
	switch {
	case err == nil:
		exitOn(j.Append([]byte(args[0])))
		exitOn(j.Close())
		fmt.Println("created")
	case errors.Is(err, journal.ErrExists), errors.Is(err, journal.ErrLocked):
		fmt.Println("refused")
	default:
		exitOn(err)
	}
}

func TestCreateRace(t *testing.T) {
	const processes = 4
	rounds := 5
	if soak() {
		rounds = 200
	}
	for range rounds {
		base := t.TempDir()
		r, w, err := os.Pipe() // its end is the start
		require.NoError(t, err)
		created := make(chan bool, processes)
		var ready sync.WaitGroup
		for i := range processes {
			cmd := command(t, base, "create", strconv.Itoa(i))
			cmd.Stdin = r
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			ready.Add(1)
			go func() {
				out := bufio.NewReader(stdout)
				_, _ = out.ReadString('\n')
				ready.Done()
				line, _ := out.ReadString('\n')
				if err := cmd.Wait(); err != nil {
					t.Error(err)
				}
				created <- line == "created\n"
			}()
		}
		r.Close()
		ready.Wait()
		w.Close()
		winners := 0
		for range processes {
			if <-created {
				winners++
			}
		}
		require.Equal(t, 1, winners)
		j, recs := open(t, filepath.Join(base, "state"), nil)
		require.Equal(t, []string{string(j.Header())}, recs)
		require.NoError(t, j.Remove())
	}
}

// TestRemoveRace creates, opens and removes all at once: one has it at a time.
func TestRemoveRace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	rounds := 100
	if soak() {
		rounds = 5000
	}
	var holders, made atomic.Int32
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range rounds {
				var j *journal.Journal
				var err error
				if (i+g)%3 == 0 {
					j, err = journal.Open(dir, nil)
				} else {
					j, err = journal.Create(dir, nil, nil)
				}
				if err != nil {
					if !errors.Is(err, journal.ErrLocked) && !errors.Is(err, journal.ErrExists) && !errors.Is(err, journal.ErrNone) {
						t.Error(err)
					}
					continue
				}
				made.Add(1)
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d have it", n)
				}
				if j.Append(nil) != nil || j.Sync() != nil {
					t.Error("cannot append")
				}
				holders.Add(-1)
				if i%4 == 0 {
					err = j.Close()
				} else {
					err = j.Remove()
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.NotZero(t, made.Load())
}

// TestLockRace locks and unlocks from several sides at once.
func TestLockRace(t *testing.T) {
	name := filepath.Join(t.TempDir(), "lock")
	rounds := 1500
	if soak() {
		rounds = 100_000
	}
	var holders, taken atomic.Int32
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range rounds {
				l, err := journal.OS().Lock(name)
				if err != nil {
					if !errors.Is(err, journal.ErrLocked) {
						t.Error(err)
					}
					continue
				}
				taken.Add(1)
				if n := holders.Add(1); n != 1 {
					t.Errorf("%d have it", n)
				}
				runtime.Gosched()
				holders.Add(-1)
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.NotZero(t, taken.Load())
	require.NoFileExists(t, name)
}

// TestOddPaths gives other things than folders and files.
func TestOddPaths(t *testing.T) {
	base := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{base}, parts...)...) }
	file := at("file")
	require.NoError(t, os.WriteFile(file, []byte("x"), 0o600))
	_, err := journal.Create(file, nil, nil)
	require.ErrorContains(t, err, "is a file, not a folder")
	_, err = journal.Open(file, nil)
	require.ErrorContains(t, err, "is a file, not a folder")
	_, err = journal.Create(at("none", "state"), nil, nil)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = journal.Open(at("none", "state"), nil)
	require.ErrorIs(t, err, journal.ErrNone)

	j, err := journal.Create(at("good"), []byte("good"), nil)
	require.NoError(t, err)
	require.NoError(t, j.Close())
	for name, make := range map[string]func(name string) error{
		"folder":   func(name string) error { return os.Mkdir(name, 0o700) },
		"symlink":  func(name string) error { return os.Symlink(at("good", "journal"), name) },
		"fifo":     func(name string) error { return unix.Mkfifo(name, 0o600) },
		"dangling": func(name string) error { return os.Symlink(at("nowhere"), name) },
	} {
		require.NoError(t, os.Mkdir(at(name), 0o700))
		require.NoError(t, make(at(name, "journal")))
		_, err = journal.Open(at(name), nil)
		require.ErrorIs(t, err, journal.ErrForeign, name)
		require.ErrorContains(t, err, "is not a regular file", name)
		_, err = journal.Create(at(name), nil, nil)
		require.ErrorIs(t, err, journal.ErrExists, name)

		require.NoError(t, os.Mkdir(at(name+".lock"), 0o700))
		require.NoError(t, make(at(name+".lock", "journal.lock")))
		_, err = journal.Create(at(name+".lock"), nil, nil)
		require.Error(t, err, name)

		require.NoError(t, os.Mkdir(at(name+".tmp"), 0o700))
		require.NoError(t, make(at(name+".tmp", "journal.tmp"))) // a leftover is removed, not followed
		j, err := journal.Create(at(name+".tmp"), nil, nil)
		require.NoError(t, err, name)
		require.NoError(t, j.Remove())
	}
	require.NoFileExists(t, at("nowhere"))
	// The folder itself may be a link.
	require.NoError(t, os.Symlink(at("good"), at("link")))
	j, err = journal.Open(at("link"), nil)
	require.NoError(t, err)
	require.Equal(t, "good", string(j.Header()))
	require.NoError(t, j.Remove())
	for _, name := range []string{"link", "good"} {
		_, err = os.Lstat(at(name))
		require.NoError(t, err)
	}
	_, err = journal.Open(at("good"), nil)
	require.ErrorIs(t, err, journal.ErrNone)
}
