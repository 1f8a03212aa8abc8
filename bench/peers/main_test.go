package main

import (
	"os"
	"testing"

	"example.com/handoff/pool"
)

// TestMain turns the test binary into a worker, a peer, or the program itself.
func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // for the children: they would sleep for a second
	pool.Main()
	asPeer()
	if os.Getenv("PEERS_TEST_COMMAND") != "" {
		os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}
