package pool

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A worker that is killed takes nothing of what it has used with it, and while workers
// come and go the sum never falls.
func TestWorkerCPU(t *testing.T) {
	const each, items = 20 * time.Millisecond, 6
	p := newPool(t, &Options{Workers: 2, Attempts: 2})
	before, ok := p.WorkerCPU()
	require.True(t, ok)
	end := make(chan struct{})
	var looking sync.WaitGroup
	for range 2 {
		looking.Go(func() {
			for last := before; ; {
				now, _ := p.WorkerCPU()
				if now < last {
					t.Errorf("%v after %v", now, last)
				}
				last = now
				select {
				case <-end:
					return
				default:
					time.Sleep(100 * time.Microsecond)
				}
			}
		})
	}
	for range items {
		requireMap(t, burnOut, p, each)
	}
	close(end)
	looking.Wait()
	require.EqualValues(t, items, settled(t, p).Deaths[ExitSignal])
	after, _ := p.WorkerCPU()
	require.GreaterOrEqual(t, after-before, 2*items*each, "each is run twice")

	here := newPool(t, &Options{Workers: 1, Isolation: Goroutine})
	_, ok = here.WorkerCPU()
	require.False(t, ok)
}

func requireMap[In, Out any](t *testing.T, f *Fn[In, Out], p *Pool, in In) {
	t.Helper()
	fut, err := f.Submit(background(), p, in)
	require.NoError(t, err)
	_, err = fut.Wait(background())
	require.NoError(t, err)
}
