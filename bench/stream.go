package bench

import (
	"context"
	"fmt"
	"time"

	"example.com/handoff/pool"
)

// causeTimeout bounds the wait for the pool to report why a stream broke.
const causeTimeout = 2 * time.Second

// A stream hands values to a peer over a pipe or socket.
type stream struct {
	plain
	conn   conn
	meter  *meter
	format format

	done  chan struct{} // closed when the peer's task has ended
	ended error         // why; valid once done is closed
}

// newStream starts the strategy's peer in p and waits until it has connected.
func newStream(ctx context.Context, p *pool.Pool, what *payload, strategy, dir string, touch Touch, maxBytes int64) (*stream, error) {
	in := streamIn{what.registered(), strategy, dir, string(touch), maxBytes}
	return connect(ctx, what, in, func() (pool.Future[int64], error) { return serveStream.Submit(ctx, p, in) })
}

// connect waits until the peer that submit starts has connected.
func connect(ctx context.Context, what *payload, in streamIn, submit func() (pool.Future[int64], error)) (*stream, error) {
	l, err := listen(in.Strategy, in.Dir)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	f, err := submit()
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	} else if err != nil {
		return nil, err
	}
	s := &stream{plain: plain{name: in.Strategy}, done: make(chan struct{})}
	connecting, connected := context.WithCancel(ctx)
	defer connected()
	go func() { // until the pool's Close at the latest
		_, s.ended = f.Wait(context.Background())
		close(s.done)
		connected()
	}()
	c, pid, err := l.accept(connecting)
	if err != nil {
		return nil, s.why(ctx, err)
	}
	s.conn, s.worker, s.meter = c, pid, &meter{ReadWriter: c}
	s.format = newFormat(what, in.Strategy, s.meter, in.MaxBytes)
	return s, nil
}

func (s *stream) copied() int64                                { return 2 * s.meter.bytes }
func (s *stream) litters() bool                                { return isGob(s.name) }
func (s *stream) watch(ctx context.Context) (stop func() bool) { return interrupt(ctx, s.conn) }

func (s *stream) load(in *instance) error {
	if f, ok := s.format.(*arrowFormat); ok {
		if why := f.unfit(in.v); why != "" {
			return unfitError(why)
		}
	}
	err := s.plain.load(in)
	if err == nil && isGob(s.name) {
		var g *gobbed
		if g, err = in.byGob(); err == nil {
			s.truth = &g.truth
		}
	}
	return err
}

func (s *stream) drops() string {
	if !isGob(s.name) || s.in.gobbed == nil {
		return ""
	}
	return s.in.gobbed.drops
}

func (s *stream) handoff(ctx context.Context, k int) (int, error) { return s.repeat(ctx, k, s) }

func (s *stream) ask(ctx context.Context, seq uint64) (x uint64, err error) {
	if err = s.format.write(seq, s.in.v); err == nil {
		x, err = s.format.readAnswer()
	}
	if err != nil {
		return 0, s.why(ctx, err)
	}
	return x, nil
}

// why turns the error of a read or write into its reason: the end of ctx, or
// the end of the peer, which is felt at the stream before the pool knows.
func (s *stream) why(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case <-s.done:
		if s.ended != nil {
			return s.ended
		}
		return fmt.Errorf("its peer ended early: %w", err)
	case <-time.After(causeTimeout):
		return err
	}
}

// close ends the stream, which ends the peer's task.
func (s *stream) close() error { return s.conn.Close() }

func (s *stream) wait() error {
	<-s.done
	return s.ended
}
