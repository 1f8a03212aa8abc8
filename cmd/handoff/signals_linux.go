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
// default action, unless the verb waits for it ([secondSignal]): then a third.
// One that is ignored stays so (nohup). signalled is the number of the first; 0 if
// none came.
func notifySignals(parent context.Context) (ctx context.Context, stop func(), signalled func() int) {
	second, now := context.WithCancel(parent)
	w := &secondWaiter{ctx: second}
	ctx, cancel := context.WithCancel(context.WithValue(parent, secondKey{}, w))
	var first atomic.Int32
	signals := make(chan os.Signal, 2)
	for _, s := range []os.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	go func() {
		s, ok := (<-signals).(unix.Signal)
		if !ok {
			return
		}
		first.Store(int32(s))
		if w.waits.Load() {
			cancel()
			<-signals
			signal.Reset()
			now()
			return
		}
		signal.Reset()
		cancel()
	}()
	return ctx, func() { cancel(); now() }, func() int { return int(first.Load()) }
}
