//go:build !linux

package main

import (
	"context"
	"os"
	"os/signal"
)

func notifySignals(parent context.Context) (context.Context, func(), func() int) {
	ctx, stop := signal.NotifyContext(parent, os.Interrupt)
	return ctx, stop, func() int { return 0 }
}
