package batch

import (
	"context"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool"
)

// A drain may come while the pass asks why it has ended. The race detector looks on.
func TestStopWhileThePassEnds(t *testing.T) {
	p, err := pool.New(t.Context(), &pool.Options{Workers: 1, Isolation: pool.Goroutine})
	require.NoError(t, err)
	defer p.Close(context.Background())
	reading, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	s := &stopper{reading: reading, cancel: cancel, pool: p}
	require.NoError(t, s.why())
	go s.stop(ErrDrained)
	for s.why() == nil { // asked with nothing between: no waiting for the end of reading
		runtime.Gosched()
	}
	s.stop(errRecord) // the first one counts
	require.Equal(t, ErrDrained, s.why())
}
