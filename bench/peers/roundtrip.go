package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"example.com/handoff/bench/stat"
	"example.com/handoff/pool"
)

// One tiny task at a time, from Submit to the answer of Wait.
var roundTripRows = []row{
	{name: "tiny task, hot: round trip / unbuffered channels", goal: atMost(1), setup: func(ctx context.Context, s *session) (ours, theirs stat.Side, err error) {
		ours, err = s.taskTrips(ctx, s.hot)
		return ours, s.hot(s.channels()), err
	}},
	{name: "tiny task, hot: round trip / shmipc-go", goal: atMost(0.01), setup: hotAndProgram("shmipc")},
	{name: "tiny task, hot: round trip / go-plugin, net/rpc", setup: hotAndProgram("goplugin")},
	{name: "tiny task, hot: round trip / Python's ProcessPoolExecutor", setup: func(ctx context.Context, s *session) (ours, theirs stat.Side, err error) {
		if theirs, err = s.python(ctx, request{Op: "tiny", Trips: s.few(200, 20)}); err != nil {
			return nil, nil, err
		}
		ours, err = s.taskTrips(ctx, s.hot)
		return ours, theirs, err
	}},
	{name: "tiny task, hot, one core: round trip / os.Pipe", goal: atMost(0.6), place: oneCore, setup: hotAndPipe},
	{name: "tiny task, hot, two cores: round trip / os.Pipe", place: twoCores, setup: hotAndPipe},
	{name: "tiny task after 500 µs idle, one core: round trip / os.Pipe", goal: atMost(0.65), place: oneCore, setup: idleAndPipe},
	{name: "tiny task after 500 µs idle, two cores: round trip / os.Pipe", goal: atMost(0.65), place: twoCores, setup: idleAndPipe},
}

func hotAndPipe(ctx context.Context, s *session) (ours, theirs stat.Side, err error) {
	return s.taskAndPipe(ctx, s.hot)
}

func hotAndProgram(name string) func(context.Context, *session) (ours, theirs stat.Side, err error) {
	return func(ctx context.Context, s *session) (ours, theirs stat.Side, err error) {
		if theirs, err = s.program(ctx, name); err != nil {
			return nil, nil, err
		}
		ours, err = s.taskTrips(ctx, s.hot)
		return ours, theirs, err
	}
}

func idleAndPipe(ctx context.Context, s *session) (ours, theirs stat.Side, err error) {
	return s.taskAndPipe(ctx, func(trip func(context.Context) error) stat.Side {
		return idleTrips(500*time.Microsecond, s.few(50, 10), trip)
	})
}

// hot is back to back.
func (s *session) hot(trip func(context.Context) error) stat.Side { return trips(s.span, 16, trip) }

func (s *session) taskAndPipe(ctx context.Context, how func(func(context.Context) error) stat.Side) (ours, theirs stat.Side, err error) {
	if ours, err = s.taskTrips(ctx, how); err != nil {
		return nil, nil, err
	}
	pipe, err := s.pipe()
	return ours, how(pipe), err
}

var tiny = pool.Func("peers.tiny", func(_ *pool.Task, x int64) (int64, error) { return next(x), nil })

// taskTrips is a tiny task to the one worker of a pool.
func (s *session) taskTrips(ctx context.Context, how func(func(context.Context) error) stat.Side) (stat.Side, error) {
	p, err := s.pool(ctx, 1)
	if err != nil {
		return nil, err
	}
	x := int64(0)
	return how(func(ctx context.Context) error {
		y, err := tiny.Call(ctx, p, x)
		if err != nil {
			return err
		}
		return follow(&x, y)
	}), nil
}

// follow checks the answer to x, which is the next question.
func follow(x *int64, y int64) error {
	if y != next(*x) {
		return fmt.Errorf("%w: %d to %d", errAnswer, y, *x)
	}
	*x = y
	return nil
}

// channels is a tiny task to a goroutine and back.
func (s *session) channels() func(context.Context) error {
	there, back := make(chan int64), make(chan int64)
	go func() {
		for x := range there {
			back <- next(x)
		}
		close(back)
	}()
	s.cleanup(func() error { close(there); <-back; return nil })
	x := int64(0)
	return func(context.Context) error {
		there <- x
		return follow(&x, <-back)
	}
}

// pipe is 8 bytes to a process through one pipe and back through another.
func (s *session) pipe() (func(context.Context) error, error) {
	c, err := s.copyOf("echo")
	if err != nil {
		return nil, err
	}
	sent, got := make([]byte, 8), make([]byte, 8)
	x := int64(0)
	return func(context.Context) error {
		binary.NativeEndian.PutUint64(sent, uint64(next(x)))
		if _, err := c.in.Write(sent); err != nil {
			return err
		}
		if _, err := io.ReadFull(c.out, got); err != nil {
			return err
		}
		return follow(&x, int64(binary.NativeEndian.Uint64(got)))
	}, nil
}
