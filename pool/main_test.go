package pool

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm/shmtest"
)

// TestMain turns the test binary into a worker, or into one of the programs
// that tests run as a whole, by name in an environment variable.
func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // for the workers: they would sleep for a second
	switch os.Getenv("POOL_TEST_BAD_START") {                     // of a worker
	case "exit":
		fmt.Println("cannot begin")
		os.Exit(1)
	case "hang":
		time.Sleep(time.Hour)
	}
	Main()
	if name := os.Getenv("POOL_TEST_PROGRAM"); name != "" {
		program, ok := programs[name]
		if !ok {
			fmt.Fprintln(os.Stderr, "no such program:", name)
			os.Exit(2)
		}
		program(os.Args[1:])
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// programs are main functions that are supervisors themselves.
var programs = map[string]func(args []string){}

// newPool makes a pool that is closed at the end of the test and held to leave
// nothing: no file, descriptor, child, mapping or goroutine.
func newPool(t testing.TB, opts *Options) *Pool {
	t.Helper()
	return holdPool(t, func() (*Pool, error) { return New(context.Background(), opts) })
}

// holdPool is newPool for a pool that is started in another way.
func holdPool(t testing.TB, start func() (*Pool, error)) *Pool {
	t.Helper()
	shmtest.NoResidue(t)
	p, err := start()
	require.NoError(t, err)
	id := p.segments.run.ID()
	t.Cleanup(func() {
		require.NoError(t, p.Close(context.Background()))
		left, _ := filepath.Glob("/dev/shm/*" + id + "*")
		require.Empty(t, left)
	})
	return p
}

var eventually, children = shmtest.Eventually, shmtest.Children

// settled is Stats once it is known how all workers have ended that are dead.
func settled(t testing.TB, p *Pool) (s Stats) {
	t.Helper()
	eventually(t, func() bool { s = p.Stats(); return s.Dying == 0 }, "a death is not classified")
	return s
}

// within fails where f takes as long as a hang.
func within(t *testing.T, f func()) {
	t.Helper()
	ended := make(chan struct{})
	go func() { defer close(ended); f() }()
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		t.Fatal("it hangs")
	}
}

// bothIsolations runs a test in both isolations, and with processes over both
// kinds of segments.
func bothIsolations(t *testing.T, test func(t *testing.T, opts Options)) {
	for _, opts := range []Options{{Isolation: Process}, {Isolation: Process, Arenas: Arenas{Anonymous: true}}, {Isolation: Goroutine}} {
		opts.Workers = 2
		t.Run(fmt.Sprintf("isolation=%s/anonymous=%v", opts.Isolation, opts.Arenas.Anonymous), func(t *testing.T) { test(t, opts) })
	}
}
