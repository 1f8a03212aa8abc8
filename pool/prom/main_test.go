package prom

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"example.com/handoff/pool"
)

// TestMain turns the test binary into a worker where a pool has started it.
func TestMain(m *testing.M) {
	pool.Main()
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // for the workers
	goleak.VerifyTestMain(m)
}
