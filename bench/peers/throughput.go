package main

import (
	"bufio"
	"context"
	"encoding/gob"
	"sync"
	"sync/atomic"

	"example.com/handoff/bench/stat"
	"example.com/handoff/pool"
)

// Many tiny tasks at once.
var throughputRows = []row{
	{name: "tiny tasks/s, 2 workers, as one range / goroutine pool over channels", goal: atLeast(4), setup: func(ctx context.Context, s *session) (ours, theirs stat.Side, err error) {
		ours, err = s.ranged(ctx, 2, 0)
		return ours, s.goroutines(2, 0), err
	}},
	{name: "tiny tasks/s, 2 workers, as one range / gob over pipes, pipelined", goal: atLeast(40), setup: func(ctx context.Context, s *session) (ours, theirs stat.Side, err error) {
		if ours, err = s.ranged(ctx, 2, 0); err != nil {
			return nil, nil, err
		}
		theirs, err = s.gob(2)
		return ours, theirs, err
	}},
	{name: "tiny tasks/s, one by one / channels with 64-byte messages", goal: atLeast(0.9), setup: func(ctx context.Context, s *session) (ours, theirs stat.Side, err error) {
		ours, err = s.oneByOne(ctx)
		return ours, s.messages(), err
	}},
}

// gob is a side: numbers to processes, as fast as they take them, and their
// answers.
func (s *session) gob(workers int) (stat.Side, error) {
	type end struct {
		out *bufio.Writer
		enc *gob.Encoder
		dec *gob.Decoder
	}
	var ends []end
	for range workers {
		c, err := s.copyOf("gob")
		if err != nil {
			return nil, err
		}
		out := bufio.NewWriterSize(c.in, gobBuffer)
		ends = append(ends, end{out, gob.NewEncoder(out), gob.NewDecoder(bufio.NewReaderSize(c.out, gobBuffer))})
	}
	return sized(s.span, func(_ context.Context, n int) (int64, error) {
		var all atomic.Int64
		err := together(2*workers, func(i int) error {
			e, lo, hi := ends[i/2], i/2*n/workers, (i/2+1)*n/workers
			if i%2 == 0 {
				for x := lo; x < hi; x++ {
					if err := e.enc.Encode(gobTask{int64(x)}); err != nil {
						return err
					}
				}
				return e.out.Flush()
			}
			sum := int64(0)
			for range hi - lo {
				var t gobTask
				if err := e.dec.Decode(&t); err != nil {
					return err
				}
				sum += t.X
			}
			all.Add(sum)
			return nil
		})
		return all.Load(), err
	}, checksum(0)), nil
}

// window bounds the tasks of oneByOne that are submitted and not yet waited for.
const window = 256

// oneByOne is a side: Submit in a loop, to one worker.
func (s *session) oneByOne(ctx context.Context) (stat.Side, error) {
	p, err := s.pool(ctx, 1)
	var flying [window]pool.Future[int64]
	return sized(s.span, func(ctx context.Context, n int) (sum int64, err error) {
		for i := range n + window {
			at := &flying[i%window]
			if i >= window {
				y, err := at.Wait(ctx)
				if err != nil {
					return 0, err
				}
				sum += y
			}
			if i < n {
				if *at, err = tiny.Submit(ctx, p, int64(i)); err != nil {
					return 0, err
				}
			}
		}
		return sum, nil
	}, checksum(0)), err
}

type message struct{ x, _, _, _, _, _, _, _ int64 }

// messages is a side: the same through channels of 64-byte messages, to one
// goroutine and back.
func (s *session) messages() stat.Side {
	there, back := make(chan message, window), make(chan message, window)
	go func() {
		for m := range there {
			m.x = next(m.x)
			back <- m
		}
		close(back)
	}()
	s.cleanup(func() error { close(there); <-back; return nil })
	return sized(s.span, func(_ context.Context, n int) (sum int64, err error) {
		for i := range n + window {
			if i >= window {
				sum += (<-back).x
			}
			if i < n {
				there <- message{x: int64(i)}
			}
		}
		return sum, nil
	}, checksum(0))
}

// together runs f(0) … f(n−1), each in a goroutine, and returns the first error
// of the lowest.
func together(n int, f func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = f(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
