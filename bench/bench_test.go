package bench

import (
	"os"
	"testing"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
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
	for _, touch := range []Touch{TouchSum, TouchEnds} {
		benchmark(b, arrays[shm.Float64], touch, Strategies(), defaultSizes)
	}
}
