package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// cleanupTimeout bounds a verb's cleaning up after the second signal.
const cleanupTimeout = 10 * time.Second

// notifySignals ends the context at the first SIGINT, SIGTERM, SIGHUP or SIGQUIT, so
// that the verb can clean up, and that of [secondSignal] at the second, for what a verb
// finishes first. Further ones change nothing, as a verb that is killed leaves files
// behind: the process ends by itself within cleanupTimeout. One that is ignored stays so
// (nohup). signalled is the number of the first; 0 if none came.
//
// A write to a pipe without a reader is an error from now on, and not the end of the
// process, which SIGPIPE makes it on standard output and standard error. It is not
// ignored, as child processes would inherit that.
func notifySignals(parent context.Context) (ctx context.Context, stop func(), signalled func() int) {
	signal.Notify(make(chan os.Signal, 1), unix.SIGPIPE)
	second, now := context.WithCancel(parent)
	ctx, cancel := context.WithCancel(context.WithValue(parent, secondKey{}, second))
	var first atomic.Int32
	signals := make(chan os.Signal, 2)
	for _, s := range []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	go func() {
		s, _ := (<-signals).(unix.Signal)
		first.Store(int32(s))
		cancel()
		<-signals
		now()
		time.Sleep(cleanupTimeout)
		os.Exit(128 + int(s))
	}()
	return ctx, func() { cancel(); now() }, func() int { return int(first.Load()) }
}
