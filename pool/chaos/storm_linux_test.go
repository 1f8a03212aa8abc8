package chaos

import (
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"example.com/handoff/pool"
	"example.com/handoff/shm/shmtest"
)

var work = pool.Func("chaos.test.work", func(_ *pool.Task, n uint64) (uint64, error) {
	time.Sleep(time.Millisecond)
	return scramble(n), nil
})

// scramble is one to one: no two tasks have the same result.
func scramble(n uint64) uint64 {
	n = (n ^ n>>31) * 0x9e3779b97f4a7c15
	return n ^ n>>29
}

// newPool makes a pool that is closed at the end of the test and held to leave
// nothing: no file, child, descriptor or goroutine.
func newPool(t *testing.T, opts pool.Options) *pool.Pool {
	t.Helper()
	shmtest.NoResidue(t)
	p, err := pool.New(t.Context(), &opts)
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, p.Close(context.Background()))
		left, _ := filepath.Glob("/dev/shm/*" + p.Run().ID() + "*")
		require.Empty(t, left)
		goleak.VerifyNone(t)
	})
	return p
}

// stormy is a pool whose tasks survive a storm.
func stormy() pool.Options {
	return pool.Options{Workers: 3, Attempts: 200, Replacement: pool.Replacement{KeepWidth: true}, Timeouts: pool.Timeouts{Stop: 200 * time.Millisecond}}
}

// memoryForTests leaves room for the stacks that C gives threads, 8 MiB each, where
// the limit is RLIMIT_DATA.
const memoryForTests = 128 << 20

// state is the letter that /proc has for a process.
func state(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, after, _ := strings.Cut(string(b), ") ")
	return after[:min(1, len(after))]
}

// total is how many faults were dealt so far.
func (s *Storm) total() (n int) {
	s.over.mu.Lock()
	defer s.over.mu.Unlock()
	for _, k := range s.over.dealt {
		n += k
	}
	return n
}

// mapUnder runs tasks until enough says so, 300 of them at least, and requires
// each result once, in order and right.
func mapUnder(t *testing.T, p *pool.Pool, s *Storm, enough func() bool) {
	t.Helper()
	const least = 300
	given, until := uint64(0), time.Now().Add(time.Minute)
	got := uint64(0)
	for item, err := range work.Map(t.Context(), p, func(yield func(uint64) bool) {
		for given < least || !enough() && time.Now().Before(until) {
			given++
			if !yield(given - 1) {
				return
			}
		}
	}) {
		if err != nil || item.Index != int(got) || item.Value != scramble(got) {
			t.Log(s.Stop())
			require.NoError(t, err)
			require.Equal(t, int(got), item.Index)
			require.Equal(t, scramble(got), item.Value)
		}
		got++
	}
	require.Equal(t, given, got)
	require.True(t, enough(), "the storm was too weak: %v", s.Stop())
}

func TestEachFault(t *testing.T) {
	for _, c := range []struct {
		fault Fault
		class pool.ExitClass // of the deaths; "" if there are to be none
	}{
		{Kill, pool.ExitSignal},
		{Segv, pool.ExitFatal},
		{Pause, ""},
		{Freeze, pool.ExitStopped},
		{Exit0, pool.ExitStatus},
		{Exit1, pool.ExitStatus},
		{Garbage, pool.ExitProtocol},
		{Memory, pool.ExitOOM},
	} {
		t.Run(string(c.fault), func(t *testing.T) {
			opts, enough := stormy(), 8
			if raceEnabled {
				enough = 4
			}
			switch c.fault {
			case Memory:
				if raceEnabled {
					t.Skip("not in CI: the race detector's own memory is past any RLIMIT_DATA")
				}
				opts.MemoryLimit = memoryForTests
			case Pause:
				opts.Timeouts.Stop = time.Minute
			}
			p := newPool(t, opts)
			s, err := Start(t.Context(), p, &Plan{Faults: []Fault{c.fault}, Every: 20 * time.Millisecond})
			require.NoError(t, err)
			mapUnder(t, p, s, func() bool {
				if c.fault == Freeze { // those that the end of the storm finds live on
					return p.Stats().Deaths[c.class] >= 2
				}
				return s.total() >= enough
			})
			r := s.Stop()
			t.Log(r)
			require.Equal(t, r, s.Stop(), "the second Stop")
			require.NotZero(t, r.Seed)
			require.NoError(t, r.Err)
			require.Equal(t, []Fault{c.fault}, slices.Collect(maps.Keys(r.Dealt)))

			dealt := int64(r.Dealt[c.fault])
			most := dealt
			switch c.fault {
			case Pause:
				require.Empty(t, p.Stats().Deaths)
				return
			case Freeze:
				require.Len(t, p.Stats().Deaths, 1)
				require.LessOrEqual(t, p.Stats().Deaths[c.class], dealt)
				return
			case Exit0, Exit1, Garbage, Memory:
				most += maxStrikes // that the end overtook
			}
			shmtest.Eventually(t, func() bool { return p.Stats().Deaths[c.class] >= dealt }, "deaths were not noticed")
			require.Len(t, p.Stats().Deaths, 1, "classes")
			require.LessOrEqual(t, p.Stats().Deaths[c.class], most)
		})
	}
}

func TestAllFaults(t *testing.T) {
	opts, enough := stormy(), 40
	faults := slices.Clone(allFaults[:])
	if raceEnabled {
		faults, enough = slices.DeleteFunc(faults, func(f Fault) bool { return f == Memory }), 20
	} else {
		opts.MemoryLimit = memoryForTests
	}
	if os.Getenv("HANDOFF_SOAK") != "" {
		enough = 2000
	}
	opts.Replacement.Spares = 1
	p := newPool(t, opts)
	s, err := Start(t.Context(), p, &Plan{Faults: faults, Every: 15 * time.Millisecond})
	require.NoError(t, err)
	mapUnder(t, p, s, func() bool { return s.total() >= enough })
	r := s.Stop()
	t.Log(r, p.Stats().Deaths)
	require.NoError(t, r.Err)
	require.NotEmpty(t, p.Stats().Deaths)
	for _, w := range p.Stats().Workers {
		if w.State != pool.StateDead {
			require.NotEqual(t, "T", state(w.PID), "left stopped")
		}
	}
	// The pool is as good as new.
	n := 0
	for item, err := range work.Map(t.Context(), p, slices.Values(make([]uint64, 100))) {
		require.NoError(t, err)
		require.Equal(t, scramble(0), item.Value)
		n++
	}
	require.Equal(t, 100, n)
}

// The same seed deals the same faults, whatever the pool does meanwhile.
func TestSameSeed(t *testing.T) {
	plan := &Plan{Seed: 7, Faults: []Fault{Kill, Segv, Exit0, Garbage}, Every: 3 * time.Millisecond, Most: 12}
	full, err := plan.withDefaults(false)
	require.NoError(t, err)
	want := map[Fault]int{}
	for script := newScript(full.Seed, full.Faults); len(want) < len(plan.Faults) || sum(want) < plan.Most; {
		want[script.next().fault]++
	}
	require.Equal(t, plan.Most, sum(want), "a seed that deals all of them")
	for _, busy := range []bool{false, true} {
		p := newPool(t, stormy())
		s, err := Start(t.Context(), p, plan)
		require.NoError(t, err)
		require.Equal(t, plan.Seed, s.Seed())
		if busy {
			mapUnder(t, p, s, func() bool { return s.total() == plan.Most })
		}
		shmtest.Eventually(t, func() bool { return closed(s.done) }, "it did not calm down")
		require.Equal(t, want, s.Stop().Dealt)
		require.NoError(t, p.Close(context.Background()))
	}
}

func sum(m map[Fault]int) (n int) {
	for _, k := range m {
		n += k
	}
	return n
}

func closed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A storm ends with its pool and with its context, in whatever it is doing.
func TestEnds(t *testing.T) {
	for name, plan := range map[string]*Plan{
		"striking": {Faults: []Fault{Exit0}, Every: time.Millisecond},
		"killing":  {Faults: []Fault{Kill}, Every: time.Millisecond},
		"freezing": {Faults: []Fault{Freeze}, Every: time.Millisecond},
		"resting":  {Every: time.Hour},
	} {
		for _, how := range []string{"pool", "context", "stop"} {
			t.Run(name+"/"+how, func(t *testing.T) {
				p := newPool(t, pool.Options{Workers: 2, Timeouts: pool.Timeouts{Close: 50 * time.Millisecond}})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				s, err := Start(ctx, p, plan)
				require.NoError(t, err)
				time.Sleep(20 * time.Millisecond)
				switch how {
				case "pool":
					require.NoError(t, p.Close(ctx))
					_, err := Start(ctx, p, plan)
					require.ErrorIs(t, err, pool.ErrClosed)
				case "context":
					cancel()
				case "stop":
					go s.Stop()
					s.Stop()
					require.True(t, closed(s.done))
				}
				shmtest.Eventually(t, func() bool { return closed(s.done) }, "it goes on")
			})
		}
	}
}

// Stop lets those run again that were stopped, and one is never stopped.
func TestStopResumes(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 3})
	shmtest.Eventually(t, func() bool { return len(p.Stats().Workers) == 3 }, "not all are up")
	s, err := Start(t.Context(), p, &Plan{Faults: []Fault{Freeze}, Every: time.Millisecond})
	require.NoError(t, err)
	stopped := func() (n int) {
		for _, w := range p.Stats().Workers {
			if state(w.PID) == "T" {
				n++
			}
		}
		return n
	}
	shmtest.Eventually(t, func() bool { return stopped() == 2 }, "not two are stopped")
	f, err := work.Submit(t.Context(), p, 1)
	require.NoError(t, err)
	v, err := f.Wait(t.Context())
	require.NoError(t, err)
	require.Equal(t, scramble(1), v)
	require.Equal(t, map[Fault]int{Freeze: 2}, s.Stop().Dealt)
	shmtest.Eventually(t, func() bool { return stopped() == 0 }, "left stopped")
	require.Empty(t, p.Stats().Deaths)
}

// Strikes wait behind tasks, and Stop does not wait for these.
func TestStopTakesStrikesBack(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1})
	f, err := untilCancelled.Submit(t.Context(), p, struct{}{})
	require.NoError(t, err)
	s, err := Start(t.Context(), p, &Plan{Faults: []Fault{Exit1}, Every: time.Millisecond})
	require.NoError(t, err)
	shmtest.Eventually(t, func() bool { return len(s.over.places) == maxStrikes }, "no strikes")
	require.Zero(t, s.Stop().Dealt[Exit1])
	require.Equal(t, 1, p.Stats().Unresolved)
	f.Cancel()
	_, err = f.Wait(t.Context())
	require.NoError(t, err)
	require.Empty(t, p.Stats().Deaths)
}

var untilCancelled = pool.Func("chaos.test.untilCancelled", func(t *pool.Task, _ struct{}) (int, error) {
	<-t.Context().Done()
	return 0, nil
})

// A task that has one attempt and is a strike has been dealt.
func TestSingleAttempt(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1, Attempts: 1})
	s, err := Start(t.Context(), p, &Plan{Faults: []Fault{Exit1}, Every: time.Millisecond, Most: 2})
	require.NoError(t, err)
	shmtest.Eventually(t, func() bool { return closed(s.done) }, "it did not calm down")
	require.Equal(t, map[Fault]int{Exit1: 2}, s.Stop().Dealt)
	require.NoError(t, s.Stop().Err)
}

// Nothing is harmed but worker processes.
func TestGoroutinesAreSpared(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1, Isolation: pool.Goroutine})
	_, err := Start(t.Context(), p, nil)
	require.ErrorContains(t, err, "goroutines")
	for _, fault := range allFaults {
		f, err := strike.Submit(t.Context(), p, strikeInput{string(fault), int64(os.Getpid())})
		require.NoError(t, err)
		_, err = f.Wait(t.Context())
		require.ErrorContains(t, err, "no worker process")
	}
}

// A worker without a limit of its own takes no memory, and says why.
func TestNoMemoryLimit(t *testing.T) {
	p := newPool(t, pool.Options{Workers: 1})
	_, err := Start(t.Context(), p, &Plan{Faults: []Fault{Memory}})
	require.ErrorContains(t, err, "MemoryLimit")
	s, err := Start(t.Context(), p, &Plan{Faults: []Fault{Kill}, Every: time.Hour})
	require.NoError(t, err)
	f, err := strike.Submit(t.Context(), p, strikeInput{string(Memory), int64(os.Getpid())})
	require.NoError(t, err)
	s.over.await(t.Context(), Memory, f)
	r := s.Stop()
	require.ErrorContains(t, r.Err, errNoLimit.Error())
	require.Contains(t, r.String(), errNoLimit.Error())
	require.Empty(t, p.Stats().Deaths)
}

// Handles are opened of living children only.
func TestVictims(t *testing.T) {
	for _, pid := range []int{1, os.Getppid(), os.Getpid()} {
		_, err := openVictim(pid, os.Getpid())
		require.Error(t, err)
	}
	cmd := exec.Command("true")
	require.NoError(t, cmd.Start())
	shmtest.Eventually(t, func() bool { return state(cmd.Process.Pid) == "Z" }, "it lives")
	_, err := openVictim(cmd.Process.Pid, os.Getpid())
	require.ErrorIs(t, err, errNoChild)
	require.NoError(t, cmd.Wait())
	_, err = openVictim(cmd.Process.Pid, os.Getpid())
	require.Error(t, err)
}
