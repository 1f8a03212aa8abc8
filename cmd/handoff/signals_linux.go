package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// notifySignals ends the context at the first SIGINT, SIGTERM, SIGHUP or
// SIGQUIT, so that the verb can clean up; a second one ends the process by its
// default action. One that is ignored stays so (nohup). signalled is the number
// of the first; 0 if none came.
func notifySignals(parent context.Context) (ctx context.Context, stop func(), signalled func() int) {
	ctx, cancel := context.WithCancel(parent)
	var first atomic.Int32
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	go func() {
		if s, ok := (<-signals).(unix.Signal); ok {
			first.Store(int32(s))
			signal.Reset()
			cancel()
		}
	}()
	return ctx, cancel, func() int { return int(first.Load()) }
}
