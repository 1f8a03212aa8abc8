package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// notifySignals ends the context at the first SIGINT, SIGTERM or SIGHUP, so
// that the verb can clean up; a second one ends the process by its default
// action. signalled is the number of the first; 0 if none came.
func notifySignals(parent context.Context) (ctx context.Context, stop func(), signalled func() int) {
	ctx, cancel := context.WithCancel(parent)
	var first atomic.Int32
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP)
	go func() {
		if s, ok := (<-signals).(unix.Signal); ok {
			first.Store(int32(s))
			signal.Reset()
			cancel()
		}
	}()
	return ctx, cancel, func() int { return int(first.Load()) }
}
