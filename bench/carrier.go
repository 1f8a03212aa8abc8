package bench

import "context"

// A carrier hands arrays to its peer by one strategy. One goroutine uses it.
type carrier interface {
	strategy() string
	// pid is the process that answers; 0 if it is this one.
	pid() int
	// load makes ready for handing x over, again and again. It returns the array
	// whose elements are handed over: x, or the strategy's own copy of it.
	load(x []float64) ([]float64, error)
	// watch makes the handoffs up to stop end with ctx.
	watch(ctx context.Context) (stop func() bool)
	// handoff hands the loaded array over and waits for the answer, until the
	// ctx of the watch.
	handoff(ctx context.Context) (float64, error)
	// copied counts the bytes that all handoffs so far have moved, in both directions.
	copied() int64
	// litters reports whether the strategy allocates in proportion to the array.
	litters() bool
	// unload gives up what load made.
	unload() error
	// close begins the end of the peer; wait returns what came of it, once the
	// pool is closed.
	close() error
	wait() error
}

// plain holds the answers of a carrier that copies nothing and releases nothing.
type plain struct {
	name   string
	worker int
}

func (p *plain) strategy() string                  { return p.name }
func (p *plain) pid() int                          { return p.worker }
func (p *plain) copied() int64                     { return 0 }
func (p *plain) litters() bool                     { return false }
func (p *plain) unload() error                     { return nil }
func (p *plain) close() error                      { return nil }
func (p *plain) wait() error                       { return nil }
func (p *plain) watch(context.Context) func() bool { return func() bool { return true } }

// A local hands arrays to a goroutine of this process.
type local struct {
	plain
	x    []float64
	to   chan []float64
	from chan float64
}

func newLocal(touch Touch) *local {
	l := &local{plain: plain{name: inProcess}, to: make(chan []float64), from: make(chan float64)}
	go func() {
		defer close(l.from)
		for x := range l.to {
			l.from <- touch.of(x)
		}
	}()
	return l
}

func (l *local) load(x []float64) ([]float64, error) { l.x = x; return x, nil }

// handoff does not look at the context: a goroutine that adds up an array ends.
func (l *local) handoff(context.Context) (float64, error) {
	l.to <- l.x
	return <-l.from, nil
}

func (l *local) close() error {
	close(l.to)
	<-l.from
	return nil
}
