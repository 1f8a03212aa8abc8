package bench

import (
	"context"
	"fmt"
	"math"
	"time"

	"example.com/handoff/bench/stat"
)

const (
	sampleTime = 2 * time.Millisecond
	// leadTime is up to which cost of a handoff a sample begins with one that is
	// not counted.
	leadTime = 2 * sampleTime
	// A handoff that takes longer than stallTime, and as much again as its bytes
	// take at stallRate, has failed.
	stallTime = 30 * time.Second
	stallRate = 10 << 20 // bytes per second
)

// A sample is the mean of k back-to-back handoffs.
type sample struct {
	ns float64 // per handoff
	k  int
}

// A sampler measures one strategy at one size.
type sampler struct {
	c       carrier
	p       *payload
	target  []float64 // the array whose elements are handed over
	stall   time.Duration
	k       int // handoffs in a sample
	lead    bool
	turn    int
	wrong   int // answers
	samples []sample
	copied  int64 // bytes, in the samples
}

func newSampler(c carrier, p *payload) (*sampler, error) {
	target, err := c.load(p.x)
	bytes := int64(len(p.x)) * elemBytes
	return &sampler{c: c, p: p, target: target, stall: stallTime + time.Duration(bytes/stallRate)*time.Second, k: 1}, err
}

// once hands over one array and looks at the answer.
func (s *sampler) once(ctx context.Context) error {
	i := s.turn & 1
	s.turn++
	s.target[0] = s.p.stamp[i]
	v, err := s.c.handoff(ctx)
	if err == nil && math.Float64bits(v) != s.p.truth[i] {
		s.wrong++
	}
	return err
}

// burst is k handoffs in a row, timed.
func (s *sampler) burst(ctx context.Context, k int) (time.Duration, error) {
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.stall, fmt.Errorf("no answer within %v", s.stall))
	defer cancel()
	defer s.c.watch(ctx)()
	last := len(s.target) - 1
	s.target[last] = s.p.x[last]
	start := time.Now()
	for range k {
		if err := s.once(ctx); err != nil {
			return 0, err
		}
	}
	return time.Since(start), nil
}

// warm hands over until the pages are mapped and buffers have grown, and
// settles how many handoffs make a sample. Twice is the least: what the second
// costs is the estimate.
func (s *sampler) warm(ctx context.Context) error {
	if _, err := s.burst(ctx, 1); err != nil {
		return err
	}
	for k, spent := 1, time.Duration(0); ; k *= 2 {
		d, err := s.burst(ctx, k)
		if err != nil {
			return err
		}
		spent += d
		one := d / time.Duration(k)
		s.k, s.lead = max(1, int(sampleTime/max(one, 1))), one < leadTime
		if spent >= 10*sampleTime {
			return nil
		}
	}
}

// take takes one sample.
func (s *sampler) take(ctx context.Context) error {
	if s.lead {
		if _, err := s.burst(ctx, 1); err != nil {
			return err
		}
	}
	before := s.c.copied()
	d, err := s.burst(ctx, s.k)
	if err != nil {
		return err
	}
	s.copied += s.c.copied() - before
	s.samples = append(s.samples, sample{float64(d.Nanoseconds()) / float64(s.k), s.k})
	return nil
}

// garbage is about how many bytes a sample leaves to the collector.
func (s *sampler) garbage() int64 {
	if !s.c.litters() {
		return 0
	}
	return int64(s.k) * int64(len(s.target)) * elemBytes
}

// result sums the samples up. There is at least one.
func (s *sampler) result(placement string) Result {
	ns := make([]float64, len(s.samples))
	handoffs := 0
	for i, x := range s.samples {
		ns[i] = tenths(x.ns)
		handoffs += x.k
	}
	answer := rightAnswer
	if s.wrong > 0 {
		answer = wrongAnswer
	}
	return Result{
		Strategy: s.c.strategy(), N: len(s.target), Bytes: int64(len(s.target)) * elemBytes,
		Timing:      Timing{Rounds: len(ns), Iterations: s.k, MedianNS: tenths(stat.Median(ns)), SamplesNS: ns},
		CopiedBytes: int64(math.Round(float64(s.copied) / float64(handoffs))),
		Singles:     Singles{SinglesNS: []int64{}},
		Conditions:  Conditions{Placement: placement},
		Answer:      answer,
	}
}
