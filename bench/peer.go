package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

type streamIn struct {
	Strategy string
	Dir      string // of the FIFOs and the socket
	Touch    string
	MaxBytes int64
}

// serveStream is the peer of a strategy over a stream: it answers arrays until
// the stream ends and returns how many.
var serveStream = pool.Func("bench.stream", func(t *pool.Task, in streamIn) (int64, error) {
	c, err := dial(in.Strategy, in.Dir)
	if err != nil {
		return 0, err
	}
	n, err := answer(t.Context(), c, in)
	return n, errors.Join(err, c.Close())
})

func answer(ctx context.Context, c conn, in streamIn) (n int64, err error) {
	defer interrupt(ctx, c)()
	f := newFormat(in.Strategy, c, in.MaxBytes)
	for ; ; n++ {
		x, err := f.readArray()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("array %d: %w", n, err)
		}
		if err := f.writeAnswer(Touch(in.Touch).of(x)); err != nil {
			return n, fmt.Errorf("answer %d: %w", n, err)
		}
	}
}

type touchIn struct {
	X    shm.View[float64]
	Ends bool // TouchEnds, not TouchSum
}

type touchOut struct {
	Value float64
	PID   int64
}

// touchShared is the peer of the shm strategies.
var touchShared = pool.Func("bench.touch", func(_ *pool.Task, in touchIn) (touchOut, error) {
	touch := TouchSum
	if in.Ends {
		touch = TouchEnds
	}
	return touchOut{touch.of(in.X.Data()), int64(os.Getpid())}, nil
})
