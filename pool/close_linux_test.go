package pool

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm"
)

// Cancels that race the end of their tasks leave each in one state.
func TestCancelsRaceCompletion(t *testing.T) {
	n := 100_000
	if raceEnabled {
		n = 10_000
	}
	p := newPool(t, &Options{Workers: 2})
	ok, cancelled := int64(0), int64(0)
	for i := 0; i < n; {
		var futures []Future[int64]
		for range 50 {
			f, err := addOne.Submit(background(), p, int64(i))
			require.NoError(t, err)
			futures = append(futures, f)
			i++
		}
		for k := range futures {
			if k%3 > 0 {
				futures[(k*7+i)%50].Cancel()
			}
		}
		for _, f := range futures {
			switch v, err := f.Wait(background()); {
			case err == nil:
				ok++
				require.Positive(t, v)
			default:
				require.ErrorIs(t, err, ErrCancelled)
				cancelled++
			}
			_, err := f.Wait(background())
			require.ErrorIs(t, err, ErrWaited)
		}
	}
	s := p.Stats()
	require.Equal(t, []int64{ok, cancelled, 0, 0}, []int64{s.Done, s.Cancelled, s.Failed, int64(s.Unresolved)})
	require.Positive(t, ok)
	require.Positive(t, cancelled)
	t.Logf("%d done, %d cancelled", ok, cancelled)
	require.Empty(t, s.Deaths)
}

// Close during a crash, twice at a time and from the hook of events.
func TestCloseAnywhere(t *testing.T) {
	for i := range 10 {
		var p *Pool
		closed := make(chan error, 3)
		var once sync.Once
		ready := make(chan struct{})
		p = newPool(t, &Options{Workers: 3, Timeouts: Timeouts{Close: 100 * time.Millisecond}, OnEvent: func(e Event) {
			if e.Kind == EventDeath {
				once.Do(func() { <-ready; closed <- p.Close(background()) })
			}
		}})
		close(ready)
		up := allUp(t, p, 3)
		for range 6 {
			submitWork(t, p, workIn{How: "deaf"})
		}
		unix.Kill(up[i%3].PID, unix.SIGKILL)
		began := time.Now()
		if i%2 == 0 {
			time.Sleep(time.Duration(rand.IntN(1000)) * time.Microsecond)
			go func() { closed <- p.Close(background()) }() // perhaps before the death is known
		}
		require.NoError(t, <-closed)
		require.NoError(t, p.Close(background()))
		require.Less(t, time.Since(began), 5*time.Second)
	}
}

// A range whose caller has gone may still bring results.
func TestContextEndsDuringBisection(t *testing.T) {
	p := newPool(t, &Options{Workers: 2, Replacement: Replacement{KeepWidth: true}})
	out, err := shm.Make[int32](p.Outputs(), 10_000)
	require.NoError(t, err)
	defer out.Release()
	for i := range 10 {
		ctx, cancel := context.WithTimeout(background(), time.Duration(i)*2*time.Millisecond)
		_, err := treadSum.Reduce(ctx, p, poisonIn{[3]int{10, 5000, 9000}, out}, 10_000, &RangeOptions{Quarantine: 5})
		require.Error(t, err)
		cancel()
	}
}

// What Close ends is not the task's own error alone.
func TestCloseEndsTasks(t *testing.T) {
	p := newPool(t, &Options{Workers: 1, Timeouts: Timeouts{Close: 50 * time.Millisecond}})
	f, err := failWhenCancelled.Submit(background(), p, struct{}{})
	require.NoError(t, err)
	eventually(t, func() bool { return p.Stats().Attempts == 1 }, "not begun")
	require.NoError(t, p.Close(background()))
	_, err = f.Wait(background())
	require.ErrorIs(t, err, ErrClosed) // by its answer, or by its worker's death
}
