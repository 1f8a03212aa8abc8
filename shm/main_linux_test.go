package shm

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// helpers are what the test binary can be started as, by name in an environment variable.
var helpers = map[string]func(args []string) error{
	// hold makes a run with segments, says its id and waits to be killed.
	"hold": func(args []string) error {
		var n int
		fmt.Sscan(args[0], &n)
		r, err := NewRun()
		if err != nil {
			return err
		}
		for range n {
			if _, err := r.Create(4096); err != nil {
				return err
			}
		}
		fmt.Println(r.ID())
		time.Sleep(time.Hour)
		return nil
	},
	// sum attaches read-only and adds up what a Ref in JSON names.
	"sum": helperSum,
	// attach maps a segment and waits to be ended.
	"attach": func(args []string) error {
		if _, err := Attach(args[0], 0, ReadOnly); err != nil {
			return err
		}
		fmt.Println("attached")
		time.Sleep(time.Hour)
		return nil
	},
	// hold anonymous makes a run with an anonymous segment, says its id and waits to be killed.
	"hold anonymous": func([]string) error {
		r, err := NewRun()
		if err != nil {
			return err
		}
		if _, err := r.CreateAnonymous(4<<20, ReadOnly); err != nil {
			return err
		}
		fmt.Println(r.ID())
		time.Sleep(time.Hour)
		return nil
	},
	// peer attaches to a segment and does what it is told.
	"peer": helperPeer,
	// small makes segments of both kinds where the process is denied huge pages.
	"small": helperSmall,
	// truncate cuts the files that it is told of down to nothing.
	"truncate": helperTruncate,
	// create makes segments of both kinds, says how that went and what was left.
	"create": helperCreate,
	// cgroup moves into a memory cgroup and makes segments there.
	"cgroup": helperCgroup,
	// poor attaches without address space.
	"poor": helperPoor,
	// short makes segments of both kinds under a limit of file size.
	"short": helperShort,
	// names uses names that are not allowed, and one that is.
	"names": helperNames,
	// attack tries to damage an input.
	"attack": helperAttack,
}

func TestMain(m *testing.M) {
	if name := os.Getenv("SHM_TEST_HELPER"); name != "" {
		if err := helpers[name](os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // for the helpers: each would sleep for a second
	os.Exit(m.Run())
}

// helper is the test binary, to be run as one of the helpers.
func helper(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	require.Contains(t, helpers, name)
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), "SHM_TEST_HELPER="+name, "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	return cmd
}

// startHelper runs a helper up to its first line of output; it is killed at the end of the test.
func startHelper(t *testing.T, name string, args ...string) (*exec.Cmd, string) {
	t.Helper()
	cmd := helper(t, name, args...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	return cmd, strings.TrimSpace(line)
}

// newRun makes a run that is closed, and held to leave nothing, at the end of the test.
func newRun(t testing.TB) *Run {
	t.Helper()
	r, err := NewRun()
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, r.Close())
		require.Empty(t, filesOf(t, r.ID()))
		require.Empty(t, grep(maps(t), r.ID()), "mappings left: an array was not released")
		require.Empty(t, grep(descriptors(t), r.ID()), "descriptors left")
	})
	return r
}

func filesOf(t testing.TB, runID string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range all {
		if strings.Contains(e.Name(), runID) {
			names = append(names, e.Name())
		}
	}
	return names
}

func grep(text, word string) (lines []string) {
	for line := range strings.Lines(text) {
		if strings.Contains(line, word) {
			lines = append(lines, line)
		}
	}
	return lines
}

func maps(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	return string(b)
}

func descriptors(t testing.TB) string {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	var b strings.Builder
	for _, e := range all {
		to, _ := os.Readlink("/proc/self/fd/" + e.Name())
		fmt.Fprintln(&b, to)
	}
	return b.String()
}
