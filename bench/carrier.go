package bench

import (
	"context"
)

// A carrier hands values to its peer by one strategy. One goroutine uses it.
type carrier interface {
	strategy() string
	// pid is the process that answers; 0 if it is this one.
	pid() int
	// load makes ready for handing a value over, again and again. An unfitError says
	// that the strategy can't hand over this value.
	load(in *instance) error
	// watch makes the handoffs up to stop end with ctx.
	watch(ctx context.Context) (stop func() bool)
	// handoff hands the loaded value over k times, back to back, each time after the
	// answer to the one before, until the ctx of the watch. It counts wrong answers.
	handoff(ctx context.Context, k int) (wrong int, err error)
	// drops says what the strategy loses of the value; "" if that is nothing. The answers
	// to what is left are right.
	drops() string
	// copied counts the bytes that all handoffs so far have moved, in both directions.
	copied() int64
	// litters reports whether the strategy allocates in proportion to the value.
	litters() bool
	// unload gives up what load made.
	unload() error
	// close begins the end of the peer; wait returns what came of it, once the
	// pool is closed.
	close() error
	wait() error
}

// plain is what carriers have in common, with the answers of one that copies nothing and
// releases nothing.
type plain struct {
	name   string
	worker int
	in     *instance
	stamps *stamps    // of what is handed over: the value, or the strategy's own copy
	truth  *[4]uint64 // the right answers
	frozen bool       // stamps can't be set
	seq    uint64     // of the handoff: it goes beside the value and into the answer
}

func (p *plain) strategy() string                  { return p.name }
func (p *plain) pid() int                          { return p.worker }
func (p *plain) drops() string                     { return "" }
func (p *plain) copied() int64                     { return 0 }
func (p *plain) litters() bool                     { return false }
func (p *plain) unload() error                     { return nil }
func (p *plain) close() error                      { return nil }
func (p *plain) wait() error                       { return nil }
func (p *plain) watch(context.Context) func() bool { return func() bool { return true } }

func (p *plain) load(in *instance) error {
	p.in, p.stamps, p.truth, p.frozen = in, &in.stamps, &in.truth, false
	return nil
}

// An unfitError says why a strategy is left out.
type unfitError string

func (e unfitError) Error() string { return string(e) }

// An asker hands the loaded value over once, with a sequence number, and waits for the answer.
type asker interface {
	ask(ctx context.Context, seq uint64) (uint64, error)
}

// repeat is the handoff of a carrier that asks with a.
func (p *plain) repeat(ctx context.Context, k int, a asker) (wrong int, err error) {
	for range k {
		p.seq++
		state := 0
		if !p.frozen {
			state = p.in.round<<1 | int(p.seq&1)
			p.stamps.set(state)
		}
		got, err := a.ask(ctx, p.seq)
		if err != nil {
			return wrong, err
		}
		if got != reply(p.truth[state], p.seq) {
			wrong++
		}
	}
	return wrong, nil
}

// A local hands values to a goroutine of this process.
type local struct {
	plain
	to   chan parcel
	from chan answered
}

// A parcel is a value on its way.
type parcel struct {
	v   any
	seq uint64
}

type answered struct {
	value uint64
	err   error
}

func newLocal(p *payload, touch Touch) *local {
	l := &local{plain: plain{name: inProcess}, to: make(chan parcel), from: make(chan answered)}
	go func() {
		defer close(l.from)
		for x := range l.to {
			h, err := p.touch.of(x.v, touch)
			l.from <- answered{reply(h, x.seq), err}
		}
	}()
	return l
}

func (l *local) handoff(ctx context.Context, k int) (int, error) { return l.repeat(ctx, k, l) }

// ask does not look at the context: a goroutine that reads a value ends.
func (l *local) ask(_ context.Context, seq uint64) (uint64, error) {
	l.to <- parcel{l.in.v, seq}
	a := <-l.from
	return a.value, a.err
}

func (l *local) close() error {
	close(l.to)
	<-l.from
	return nil
}
