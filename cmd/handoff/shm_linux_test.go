package main

import (
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
	"example.com/handoff/shm/shmtest"
)

func parse[T any](t *testing.T, text string) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Errorf("not JSON: %v: %q", err, text)
	}
	return v
}

type lsJSON struct{ Runs []shm.RunInfo }

// Eight collectors at once after the death of a program with many segments,
// beside a living one.
func TestGCsAtOnce(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	live, _ := startHold(t, 3)
	dead, cmd := startHold(t, 500)
	kill(cmd)
	results := make([]shm.GCResult, 8)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			stdout, stderr, code := handoff(t, "shm", "gc", "--json", "-")
			if code != 0 {
				t.Errorf("exit %d: %s", code, stderr)
			}
			results[i] = parse[shm.GCResult](t, stdout)
		})
	}
	wg.Wait()
	var sum shm.GCResult
	for _, r := range results {
		sum.Runs += r.Runs
		sum.Segments += r.Segments
		sum.Bytes += r.Bytes
		require.Equal(t, 1, r.Alive)
	}
	require.Equal(t, shm.GCResult{Runs: 1, Segments: 500, Bytes: 500 * 501 / 2 * 4096}, sum)
	stdout, _, code := handoff(t, "shm", "ls", "--json", "-")
	require.Zero(t, code)
	runs := parse[lsJSON](t, stdout).Runs
	require.Len(t, runs, 1)
	require.Equal(t, live, runs[0].ID)
	require.Equal(t, shm.Alive, runs[0].State)
	require.Len(t, runs[0].Segments, 3)
	require.NotContains(t, stdout, dead)
}

// Runs begin, end and are killed while every verb looks at them.
func TestShmVerbsWhileRunsComeAndGo(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	rounds := 6
	if os.Getenv("HANDOFF_SOAK") != "" {
		rounds = 300
	}
	stop := make(chan struct{})
	var births, verbs sync.WaitGroup
	for range 2 {
		births.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, err := shm.NewRun()
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := r.Create(4096); err != nil {
					t.Error(err)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	// try runs a verb; gone says that it may have come too late.
	try := func(gone bool, args ...string) string {
		stdout, stderr, code := handoff(t, args...)
		if code != 0 && (!gone || code != 1 || !strings.Contains(stderr, "no such file")) {
			t.Errorf("%v: exit %d: %s", args, code, stderr)
		}
		if code != 0 {
			return ""
		}
		return stdout
	}
	for range rounds {
		id, cmd := startHold(t, 3)
		name := "handoff-" + id + "-1"
		stdout, stderr, code := handoff(t, "shm", "rm", name)
		require.Equal(t, 1, code, stdout)
		require.Contains(t, stderr, "alive")
		kill(cmd)
		for range 2 {
			verbs.Go(func() { parse[shm.GCResult](t, try(false, "shm", "gc", "--json", "-")) })
			verbs.Go(func() { try(true, "shm", "rm", name) })
		}
		verbs.Go(func() {
			for _, r := range parse[lsJSON](t, try(false, "shm", "ls", "--json", "-")).Runs {
				if r.State == shm.Unknown || (r.State == shm.Orphan) != (r.ID == id) {
					t.Errorf("listed as %+v; run %s alone is dead", r, id)
				}
				if len(r.Segments) == 0 {
					continue
				}
				if text := try(true, "shm", "stat", "--json", "-", r.Segments[0].Name); text != "" {
					parse[struct{ Segments []shm.SegmentStat }](t, text)
				}
			}
		})
		verbs.Wait()
	}
	close(stop)
	births.Wait()
	stdout := try(false, "shm", "gc", "--json", "-")
	require.Equal(t, shm.GCResult{}, parse[shm.GCResult](t, stdout), "the collectors before left something")
	left, err := os.ReadDir("/dev/shm")
	require.NoError(t, err)
	require.Empty(t, left)
}
