package pool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
)

// A worker that goes past its ceiling dies of it alone, by either mechanism.
func TestMemoryLimit(t *testing.T) {
	for _, noCgroup := range []bool{false, true} {
		t.Run(fmt.Sprintf("noCgroup=%v", noCgroup), func(t *testing.T) {
			if raceEnabled {
				t.Skip("the race detector's own memory is past any ceiling")
			}
			opts := &Options{Workers: 2, MemoryLimit: 128 << 20, Attempts: 1, Replacement: Replacement{KeepWidth: true}}
			p := holdPool(t, func() (*Pool, error) {
				return start(background(), opts, func(p *Pool, slot int) (proc.Process, proc.Link, *lane.Lane, wire.Hello, error) {
					return p.launchAs(slot, proc.Config{NoCgroup: noCgroup})
				})
			})
			mechanism := p.Stats().Memory.Mechanism
			if !noCgroup && mechanism != "cgroup" {
				t.Skipf("not in CI: no memory cgroup can be made here: %q", mechanism)
			}
			require.Equal(t, map[bool]string{false: "cgroup", true: "rlimit"}[noCgroup], mechanism)
			bystander := submitWork(t, p, workIn{How: "sleep", For: 300 * time.Millisecond})
			_, err := submitWork(t, p, workIn{How: "allocate", N: 1024}).Wait(background())
			var death *WorkerExitError
			require.ErrorAs(t, err, &death)
			require.Equal(t, ExitOOM, death.Class, "%v %s", death, death.Stderr)
			require.NotEmpty(t, death.Evidence)
			require.ErrorContains(t, err, "out of memory")
			if !noCgroup {
				require.Greater(t, death.PeakPrivate, int64(100<<20))
			}
			requireAttempt(t, bystander, 1)
			requireAttempt(t, submitWork(t, p, workIn{How: "allocate", N: 16}), 1) // below it
		})
	}
}

// Where too many at once are killed, as by a machine short of memory, the pool finds
// the number that goes, and all tasks are done.
func TestFewerWorkersWhereMemoryIsShort(t *testing.T) {
	var widths []int
	var mu sync.Mutex
	p := newPool(t, &Options{Workers: 8, OnEvent: func(e Event) {
		if e.Kind == EventWidth {
			mu.Lock()
			widths = append(widths, e.Width)
			mu.Unlock()
		}
	}})
	allUp(t, p, 8)
	mark := filepath.Join(t.TempDir(), "run")
	n := 0
	for _, err := range work.Map(background(), p, func(yield func(workIn) bool) {
		for range 200 {
			if !yield(workIn{How: "crowd", N: 3, For: 2 * time.Millisecond, File: mark}) {
				return
			}
		}
	}) {
		require.NoError(t, err)
		n++
	}
	require.Equal(t, 200, n)
	s := p.Stats()
	mu.Lock()
	defer mu.Unlock()
	t.Logf("widths %v, ceiling %d, %d deaths for memory of %v", widths, s.Memory.Ceiling, s.Memory.Deaths, s.Deaths)
	require.Less(t, s.Width, 8)
	require.Positive(t, s.Memory.Ceiling)
	require.Less(t, s.Memory.Ceiling, 8)
}

// What may be started once is not started again because memory seems to be short.
func TestOneAttemptIsOne(t *testing.T) {
	p := newPool(t, &Options{Workers: 4, Attempts: 1})
	allUp(t, p, 4)
	mark := filepath.Join(t.TempDir(), "run")
	var fs []Future[int]
	for range 4 {
		f, err := work.Submit(background(), p, workIn{How: "crowd", N: 0, For: time.Millisecond, File: mark})
		require.NoError(t, err)
		fs = append(fs, f)
	}
	for _, f := range fs {
		_, err := f.Wait(background())
		require.ErrorIs(t, err, ErrWorkerDied)
	}
	s := p.Stats()
	require.Positive(t, s.Memory.Deaths)
	require.EqualValues(t, 4, s.Attempts)
}

// Memory cgroups that a killed supervisor has left are removed by the next pool of
// the same group, and those of a living one stay.
func TestLeftGroupsAreRemoved(t *testing.T) {
	g := proc.OwnCgroup()
	left, err := g.Child("handoff-00112233445566778899aabb-0-1", 64<<20)
	if err != nil {
		t.Skipf("not in CI: no memory cgroup can be made here: %v", err)
	}
	defer left.Remove()
	other := filepath.Join(g.Dir, "handoff-pool-test-0") // of somebody who is no pool
	require.NoError(t, os.Mkdir(other, 0o755))
	defer os.Remove(other)
	fresh, err := g.Child("handoff-ffeeddccbbaa998877665544-0-1", 64<<20)
	require.NoError(t, err)
	defer fresh.Remove()
	old := time.Now().Add(-time.Minute)
	if err := errors.Join(os.Chtimes(left.Dir, old, old), os.Chtimes(other, old, old)); err != nil {
		t.Skipf("not in CI: the age of a cgroup cannot be set here: %v", err)
	}
	alive := newPool(t, &Options{Workers: 1, MemoryLimit: 128 << 20})
	groups, err := filepath.Glob(g.Dir + "/handoff-" + alive.Run().ID() + "-*")
	require.NoError(t, err)
	require.Len(t, groups, 1)
	require.NoDirExists(t, left.Dir)
	require.DirExists(t, other)
	require.DirExists(t, fresh.Dir)
	newPool(t, &Options{Workers: 1})
	require.DirExists(t, groups[0])
	require.NoError(t, alive.Close(background()))
	require.NoDirExists(t, groups[0])
}
