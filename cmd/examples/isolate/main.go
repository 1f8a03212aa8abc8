// Command isolate shows code that crashes and takes nothing with it but its worker.
//
// It decodes pages by code that reads memory that is not there when it meets a bad
// page, as a library in C might. Nothing recovers from that in the same process. Here
// each bad page ends a worker process, is tried once more in another, and is then an
// error of that page; all other pages are decoded.
//
//	go run ./cmd/examples/isolate
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"example.com/handoff/pool"
)

func main() {
	pool.Main() // does not return in a worker
	if err := run(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "isolate:", err)
		os.Exit(1)
	}
}

const (
	pages = 12
	bad   = 5 // every fifth page, from the third on
)

// decode is the code that crashes.
var decode = pool.Func("isolate.decode", func(_ *pool.Task, page int) (int, error) {
	if page%bad == 3 {
		readNowhere()
	}
	return page * page, nil
})

// run decodes all pages, and says which could not be and what that has cost.
func run(ctx context.Context, out io.Writer) (err error) {
	p, err := pool.New(ctx, &pool.Options{Workers: 2, Attempts: 2})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close(ctx)) }()
	began := time.Now()
	var results [pages]pool.Future[int]
	for page := range results {
		if results[page], err = decode.Submit(ctx, p, page); err != nil {
			return err
		}
	}
	decoded := 0
	for page := range results {
		_, err := results[page].Wait(ctx)
		var died *pool.WorkerExitError
		switch {
		case errors.As(err, &died):
			fmt.Fprintf(out, "page %d: worker %d died in attempt %d, class %s, exit status %d\n", page, died.PID, died.Attempt, died.Class, died.ExitCode)
		case err != nil:
			return err
		default:
			decoded++
		}
	}
	s := p.Stats()
	for ; s.Dying > 0; s = p.Stats() { // a death counts when it is known of what
		time.Sleep(time.Millisecond)
	}
	_, err = fmt.Fprintf(out, "%d of %d pages decoded; %d workers were replaced; %v\n", decoded, pages, s.Respawns, time.Since(began).Round(time.Millisecond))
	return err
}
