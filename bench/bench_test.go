package bench

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool"
)

// TestMain turns copies of the test binary into a pool's workers and the suites'
// peers.
func TestMain(m *testing.M) {
	pool.Main()
	asPeer()
	// Under the race detector a process sleeps for a second before it exits.
	os.Setenv("GORACE", os.Getenv("GORACE")+" atexit_sleep_ms=0")
	os.Exit(m.Run())
}

// BenchmarkHandoff hands an array to a worker process, or a goroutine, and
// waits for the answer: the strategies of Run, one at a time.
func BenchmarkHandoff(b *testing.B) {
	for _, strategy := range Strategies() {
		for _, touch := range []Touch{TouchSum, TouchEnds} {
			for _, bytes := range defaultSizes {
				b.Run(fmt.Sprintf("strategy=%s/touch=%s/size=%s", strategy, touch, FormatSize(bytes)), func(b *testing.B) {
					benchmarkHandoff(b, strategy, touch, bytes)
				})
			}
		}
	}
}

func benchmarkHandoff(b *testing.B, strategy string, touch Touch, bytes int64) {
	ctx := context.Background()
	s, err := open(ctx, []string{strategy}, touch, bytes)
	require.NoError(b, err)
	defer func() { require.NoError(b, s.close(ctx, b.Failed())) }()
	m, err := newSampler(s.carriers[0], newPayload(bytes, touch))
	require.NoError(b, err)
	defer func() { require.NoError(b, m.c.unload()) }()
	for range 2 { // pages are mapped, buffers have grown
		require.NoError(b, m.once(ctx))
	}

	b.SetBytes(bytes)
	b.ReportAllocs()
	before := m.c.copied()
	for b.Loop() {
		if err := m.once(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(m.c.copied()-before)/float64(b.N), "copied-B/op")
	require.Zero(b, m.wrong, "wrong answers")
}
