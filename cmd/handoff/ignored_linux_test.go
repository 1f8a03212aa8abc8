package main

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// Behind nohup or & the tests' commands would inherit that SIGHUP or SIGINT is ignored, and
// tests send these to them.
func init() {
	if os.Getenv("HANDOFF_TEST_COMMAND") != "" || os.Getenv("HANDOFF_WORKER") != "" {
		return
	}
	for _, s := range []os.Signal{unix.SIGINT, unix.SIGHUP} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}
