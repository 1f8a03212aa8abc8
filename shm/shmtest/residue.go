package shmtest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// watchdog ends a wait that would never end. It is far above what any of them takes.
const watchdog = 30 * time.Second

// Eventually polls cond until it is true. After half a minute the test fails with msg.
func Eventually(t testing.TB, cond func() bool, msg string) {
	t.Helper()
	for end := time.Now().Add(watchdog); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if cond() {
			return
		}
	}
	t.Fatal(msg)
}

// counted holds the tests that have called NoResidue and have not ended.
var counted sync.Map

// NoResidue fails the test if there is more of anything at its end than now:
// descriptors, children, mappings of shared memory, goroutines, and what the further
// counts say. What the test closes in a cleanup of its own is closed by then, if that
// is registered after this call. Only a test's first call counts: at a second one what
// the test has started since may still be starting.
func NoResidue(t testing.TB, further ...func() map[string]int) {
	t.Helper()
	if _, again := counted.LoadOrStore(t, true); again {
		return
	}
	t.Cleanup(func() { counted.Delete(t) })
	if r, w, err := os.Pipe(); err == nil { // the runtime's own poller, made with the first pipe, is no leak
		r.Close()
		w.Close()
	}
	before := residue(t, further)
	t.Cleanup(func() {
		var more []string
		for end := time.Now().Add(watchdog); time.Now().Before(end); time.Sleep(10 * time.Millisecond) { // goroutines need a moment to end
			more = nil
			for what, n := range residue(t, further) {
				if n > before[what] {
					more = append(more, fmt.Sprintf("%s: %d before, %d after", what, before[what], n))
				}
			}
			if more == nil {
				return
			}
			if t.Failed() { // the reason is known, and has often left more behind
				break
			}
		}
		buf := make([]byte, 1<<16)
		t.Errorf("%q\n%s", more, buf[:runtime.Stack(buf, true)])
	})
}

func residue(t testing.TB, further []func() map[string]int) map[string]int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]int{
		"descriptors": len(fds),
		"children":    len(Children(os.Getpid())),
		"mappings":    strings.Count(string(maps), "/dev/shm/") + strings.Count(string(maps), "/memfd:handoff-"),
		"goroutines":  runtime.NumGoroutine(),
	}
	for _, f := range further {
		for what, n := range f() {
			counts[what] = n
		}
	}
	return counts
}

// Children lists the pids of a process's children, zombies included.
func Children(pid int) (pids []string) {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, l := range lists {
		b, _ := os.ReadFile(l) // a thread may have ended
		pids = append(pids, strings.Fields(string(b))...)
	}
	return pids
}
