package main

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"
)

// Samples are pairs: Ours[i] and Theirs[i] were taken one after the other.
type samples struct {
	Ours   []float64 `json:"ours"`
	Theirs []float64 `json:"theirs"`
}

// alternate takes n pairs of samples, after one of each that is not counted.
// Every other pair begins with theirs, so that a drift of the machine favours
// neither.
func alternate(ctx context.Context, n int, ours, theirs side) (s samples, err error) {
	one := func(f side, into *[]float64, count bool) {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return
		}
		var v float64
		if v, err = f(ctx); err == nil && !(v > 0) {
			err = fmt.Errorf("a sample of %v, expected a positive number", v)
		}
		if err == nil && count {
			*into = append(*into, v)
		}
	}
	for i := -1; i < n; i++ {
		if i&1 == 0 {
			one(ours, &s.Ours, i >= 0)
			one(theirs, &s.Theirs, i >= 0)
		} else {
			one(theirs, &s.Theirs, i >= 0)
			one(ours, &s.Ours, i >= 0)
		}
	}
	return s, err
}

// A Summary is what is said of a row's pairs.
type Summary struct {
	Ratio    float64 `json:"ratio"` // median of the pairs' ratios
	Q1       float64 `json:"q1"`    // quartiles of these
	Q3       float64 `json:"q3"`
	Min      float64 `json:"min"`
	Max      float64 `json:"max"`
	Samples  int     `json:"samples"`
	OursMid  float64 `json:"ours"` // medians of the samples themselves
	TheirMid float64 `json:"theirs"`
}

func summarize(g goal, s samples) Summary {
	ratios := make([]float64, len(s.Ours))
	for i := range ratios {
		ratios[i] = g.ratio(s.Ours[i], s.Theirs[i])
	}
	return Summary{
		Ratio: quantile(ratios, 0.5), Q1: quantile(ratios, 0.25), Q3: quantile(ratios, 0.75),
		Min: quantile(ratios, 0), Max: quantile(ratios, 1), Samples: len(ratios),
		OursMid: quantile(s.Ours, 0.5), TheirMid: quantile(s.Theirs, 0.5),
	}
}

// quantile interpolates linearly between the order statistics (Hyndman and
// Fan, "Sample quantiles in statistical packages", 1996, type 7). NaN for no
// values.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	i := min(int(at), max(0, len(sorted)-2))
	j := min(i+1, len(sorted)-1)
	return sorted[i] + (at-float64(i))*(sorted[j]-sorted[i])
}

// trips is a side that runs trip back to back for span. The sample is the
// median over batches of the mean of one batch, in nanoseconds: reading the
// clock costs about as much as the cheapest trips.
func trips(span time.Duration, batch int, trip func(ctx context.Context) error) side {
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
				return quantile(means, 0.5), nil
			}
		}
	}
}

// idleTrips is a side whose trips each follow a sleep that is not counted. The
// sample is their median in nanoseconds.
func idleTrips(sleep time.Duration, count int, trip func(ctx context.Context) error) side {
	return func(ctx context.Context) (float64, error) {
		var times []float64
		for range count {
			time.Sleep(sleep)
			start := time.Now()
			if err := trip(ctx); err != nil {
				return 0, err
			}
			times = append(times, float64(time.Since(start)))
		}
		return quantile(times, 0.5), nil
	}
}

// timed is a side that runs f once. The sample is nanoseconds per operation.
func timed(operations int, f func(ctx context.Context) error) side {
	return func(ctx context.Context) (float64, error) {
		start := time.Now()
		err := f(ctx)
		return float64(time.Since(start)) / float64(operations), err
	}
}

// sized is a side that runs batches of n tasks, n being what takes about span:
// the first sample, which is not counted, finds it. run answers with a checksum,
// which must be want(n). The sample is nanoseconds per task.
func sized(span time.Duration, run func(ctx context.Context, n int) (int64, error), want func(n int) int64) side {
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
