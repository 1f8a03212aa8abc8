package pipeline

import (
	"context"
	"os"
	"testing"

	"example.com/handoff/pool"
)

// TestMain turns the test binary into a worker where a pool has started it.
func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // for the workers: they would sleep for a second
	pool.Main()
	os.Exit(m.Run())
}

func soak() bool { return os.Getenv("HANDOFF_SOAK") != "" }

func background() context.Context { return context.Background() }
