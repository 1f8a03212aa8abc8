package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"example.com/handoff/bench/stat"
)

// A Summary condenses a row's pairs. Ratio, Low, High, Min and Max are ours over theirs.
type Summary struct {
	Ratio float64 `json:"ratio"` // median of the pairs' ratios
	// An interval for it that holds with 95 %; nil for fewer than six pairs.
	Low      *float64 `json:"low"`
	High     *float64 `json:"high"`
	Min      float64  `json:"min"`
	Max      float64  `json:"max"`
	Samples  int      `json:"samples"`
	OursMid  float64  `json:"ours"` // medians of the samples themselves
	TheirMid float64  `json:"theirs"`
}

func summarize(g goal, p stat.Pairs) Summary {
	compared := p
	if g.least {
		compared = stat.Pairs{A: p.B, B: p.A}
	}
	ratios, r := compared.Ratios(), stat.Compare(compared.A, compared.B, stat.Tail)
	s := Summary{
		Ratio: r.Mid, Min: slices.Min(ratios), Max: slices.Max(ratios), Samples: len(ratios),
		OursMid: stat.Median(p.A), TheirMid: stat.Median(p.B),
	}
	if len(ratios) >= stat.LeastPairs(stat.Tail) {
		s.Low, s.High = &r.Low, &r.High
	}
	return s
}

// trips is a side that runs trip back to back for span. The sample is the
// median over batches of the mean of one batch, in nanoseconds: reading the
// clock costs about as much as the cheapest trips.
func trips(span time.Duration, batch int, trip func(ctx context.Context) error) stat.Side {
	return func(ctx context.Context) (float64, error) {
		var means []float64
		for began := time.Now(); ; {
			start := time.Now()
			for range batch {
				if err := trip(ctx); err != nil {
					return 0, err
				}
			}
			now := time.Now()
			means = append(means, float64(now.Sub(start))/float64(batch))
			if now.Sub(began) >= span {
				return stat.Median(means), nil
			}
		}
	}
}

// idleTrips is a side whose trips each follow a sleep that is not counted. The
// sample is their median in nanoseconds.
func idleTrips(sleep time.Duration, count int, trip func(ctx context.Context) error) stat.Side {
	return func(ctx context.Context) (float64, error) {
		return stat.Repeat(count, func() (time.Duration, error) {
			time.Sleep(sleep)
			start := time.Now()
			err := trip(ctx)
			return time.Since(start), err
		})
	}
}

// timed is a side that runs f once. The sample is nanoseconds per operation.
func timed(operations int, f func(ctx context.Context) error) stat.Side {
	return func(ctx context.Context) (float64, error) {
		start := time.Now()
		err := f(ctx)
		return float64(time.Since(start)) / float64(operations), err
	}
}

// sized is a side that runs batches of n tasks, n being what takes about span:
// the first sample, which is not counted, finds it. run answers with a checksum,
// which must be want(n). The sample is nanoseconds per task.
func sized(span time.Duration, run func(ctx context.Context, n int) (int64, error), want func(n int) int64) stat.Side {
	const most = 1 << 24
	n, settled, expected := 64, false, int64(0)
	return func(ctx context.Context) (float64, error) {
		for {
			start := time.Now()
			got, err := run(ctx, n)
			took := time.Since(start)
			if err != nil {
				return 0, err
			}
			if !settled {
				expected = want(n)
			}
			if got != expected {
				return 0, fmt.Errorf("%w: a checksum of %d over %d tasks, expected %d", errAnswer, got, n, expected)
			}
			if settled = settled || took >= span || n >= most; settled {
				return float64(took) / float64(n), nil
			}
			n *= 2
		}
	}
}
