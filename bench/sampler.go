package bench

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"os"
	"time"

	"example.com/handoff/bench/internal/cores"
	"example.com/handoff/bench/stat"
)

const (
	sampleTime = time.Millisecond
	// A sample begins with handoffs that are not counted, for about leadTime: so long the kernel
	// takes to put two processes on cores of their own that both have slept, and what the peer
	// before looks for work. Without them a resident handoff of 64 B took 5.2 µs, with them 2.4.
	leadTime  = 4 * time.Millisecond
	leastTime = 100 * time.Nanosecond // of a handoff
	// A handoff that takes longer than stallTime, and as much again as its bytes
	// take at stallRate, has failed.
	stallTime = 30 * time.Second
	stallRate = 10 << 20 // bytes per second

	mostSingles = 1000
	singlesTime = 60 * time.Millisecond // for the singles of one strategy
	pauses      = 9                     // handoffs that each follow a pause
	// pauseTime is longer than a worker looks for work before it sleeps.
	pauseTime = 3 * time.Millisecond
)

// A sampler measures one strategy at one size.
type sampler struct {
	c       carrier
	in      *instance
	stall   time.Duration
	one     time.Duration // about what a handoff takes
	k       int           // handoffs in a sample
	delay   time.Duration // after each handoff of a burst; of tests
	wrong   int           // answers
	samples []float64
	spent   spent
	singles []int64
	paused  *float64
}

// spent is what the samples took, all together.
type spent struct {
	handoffs         int
	copied           int64
	sender, receiver cores.Load
	unknown          bool           // the kernel does not say what processes use
	placements       map[string]int // samples by placement
}

func newSampler(c carrier, in *instance) (*sampler, error) {
	return &sampler{
		c: c, in: in, stall: stallTime + time.Duration(in.bytes/stallRate)*time.Second, k: 1,
		spent: spent{placements: map[string]int{}},
	}, c.load(in)
}

// once hands over one value and looks at the answer.
func (s *sampler) once(ctx context.Context) error {
	wrong, err := s.c.handoff(ctx, 1)
	s.wrong += wrong
	return err
}

// burst is k handoffs in a row, timed.
func (s *sampler) burst(ctx context.Context, k int) (time.Duration, error) {
	stop, ctx, err := s.begin(ctx)
	if err != nil {
		return 0, err
	}
	defer stop()
	start := time.Now()
	for range k {
		if err := s.once(ctx); err != nil {
			return 0, err
		}
		if s.delay > 0 {
			spin(s.delay)
		}
	}
	return time.Since(start), nil
}

// begin makes ready for handoffs that end with ctx and are bounded by the stall time.
func (s *sampler) begin(ctx context.Context) (stop func(), _ context.Context, err error) {
	if ctx.Err() != nil {
		return nil, nil, context.Cause(ctx)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, s.stall, fmt.Errorf("no answer within %v", s.stall))
	unwatch := s.c.watch(ctx)
	return func() { unwatch(); cancel() }, ctx, nil
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
		s.one = d / time.Duration(k)
		s.k = stat.Iterations(s.one, sampleTime)
		if spent >= 10*sampleTime {
			return nil
		}
	}
}

// sample takes the mean of k handoffs, in nanoseconds. handoffs counts those before, too.
func (s *sampler) sample(ctx context.Context) (ns float64, handoffs int, err error) {
	lead := s.lead()
	if _, err := s.burst(ctx, lead); err != nil {
		return 0, 0, err
	}
	d, err := s.burst(ctx, s.k)
	return float64(d.Nanoseconds()) / float64(s.k), lead + s.k, err
}

// lead is how many handoffs a sample begins with.
func (s *sampler) lead() int { return int(leadTime / max(s.one, leastTime)) }

// sampleTakes is about how long a sample takes of handoffs of so long.
func sampleTakes(one time.Duration) time.Duration {
	return max(sampleTime, one) + leadTime/max(one, leastTime)*one
}

// take takes a sample for the result, and what it used.
func (s *sampler) take(ctx context.Context) error {
	x := &s.spent
	sender, receiver, unknown := s.loads()
	if unknown == nil {
		unknown = s.clocks(&sender, &receiver) // later than what reading the loads took
	}
	copied := s.c.copied()
	ns, handoffs, err := s.sample(ctx)
	if err != nil {
		return err
	}
	var used, usedThere cores.Load
	failed := s.clocks(&used, &usedThere)
	s.samples = append(s.samples, ns)
	x.handoffs += handoffs
	x.copied += s.c.copied() - copied
	laterSender, laterReceiver, err := s.loads()
	if x.unknown = x.unknown || unknown != nil || failed != nil || err != nil; x.unknown {
		return nil
	}
	laterSender.CPU, laterReceiver.CPU = used.CPU, usedThere.CPU
	sender, receiver = laterSender.Sub(sender), laterReceiver.Sub(receiver)
	if s.c.pid() != 0 {
		x.placements[cores.Apart(sender.Core(os.Getpid()), receiver.Core(s.c.pid()))]++
	}
	x.sender, x.receiver = x.sender.Add(sender), x.receiver.Add(receiver)
	return nil
}

// loads reads what both sides have used; the receiver's is zero where it is a goroutine.
func (s *sampler) loads() (sender, receiver cores.Load, err error) {
	if sender, err = cores.LoadOf(os.Getpid()); err == nil && s.c.pid() != 0 {
		receiver, err = cores.LoadOf(s.c.pid())
	}
	return sender, receiver, err
}

// clocks reads the CPU time of both sides.
func (s *sampler) clocks(sender, receiver *cores.Load) (err error) {
	if sender.CPU, err = cores.CPUOf(os.Getpid()); err == nil && s.c.pid() != 0 {
		receiver.CPU, err = cores.CPUOf(s.c.pid())
	}
	return err
}

// single times handoffs one by one, back to back. What takes as long as a sample needs no
// pass of its own: there each sample is one.
func (s *sampler) single(ctx context.Context) error {
	if s.k == 1 {
		return nil
	}
	stop, ctx, err := s.begin(ctx)
	if err != nil {
		return err
	}
	defer stop()
	s.singles = make([]int64, 0, mostSingles)
	for start := time.Now(); len(s.singles) < mostSingles; {
		begun := time.Now()
		if err := s.once(ctx); err != nil {
			return err
		}
		now := time.Now()
		s.singles = append(s.singles, now.Sub(begun).Nanoseconds())
		if now.Sub(start) > singlesTime {
			break
		}
	}
	return nil
}

// pause times handoffs that each follow a pause.
func (s *sampler) pause(ctx context.Context) error {
	if s.k == 1 {
		return nil
	}
	ns, err := stat.Repeat(pauses, func() (time.Duration, error) {
		time.Sleep(pauseTime)
		return s.burst(ctx, 1)
	})
	s.paused = &ns
	return err
}

// garbage is about how many bytes a sample leaves to the collector.
func (s *sampler) garbage() int64 {
	if !s.c.litters() {
		return 0
	}
	return int64(s.k) * s.in.bytes
}

// result sums up what was taken. There is at least one sample.
func (s *sampler) result() Result {
	r := Result{
		Strategy: s.c.strategy(), N: s.in.n, Bytes: s.in.bytes,
		Timing:      s.timing(),
		Singles:     s.percentiles(),
		CopiedBytes: int64(math.Round(float64(s.spent.copied) / float64(s.spent.handoffs))),
		Answer:      cmp.Or(s.c.drops(), rightAnswer),
	}
	if s.wrong > 0 {
		r.Answer = wrongAnswer
	}
	if x := s.spent; !x.unknown {
		each := func(n int64) *float64 { return known(float64(n) / float64(x.handoffs)) }
		r.CPUSenderNS, r.Faults = each(x.sender.CPU), each(x.sender.Faults+x.receiver.Faults)
		if s.c.pid() != 0 {
			r.CPUReceiverNS = each(x.receiver.CPU)
		}
	}
	return r
}

func (s *sampler) timing() Timing {
	t := Timing{Rounds: len(s.samples), Iterations: s.k, SamplesNS: make([]float64, len(s.samples))}
	for i, ns := range s.samples {
		t.SamplesNS[i] = tenths(ns)
	}
	t.MedianNS = tenths(stat.Median(t.SamplesNS))
	i := stat.MedianInterval(t.SamplesNS, stat.Tail)
	t.LowNS, t.HighNS = bounded(i.Low), bounded(i.High)
	return t
}

func (s *sampler) percentiles() Singles {
	x := Singles{SinglesNS: s.singles, PausedNS: s.paused}
	if s.k == 1 {
		x.SinglesNS = make([]int64, len(s.samples))
		for i, ns := range s.samples {
			x.SinglesNS[i] = int64(ns)
		}
	}
	if x.SinglesNS == nil {
		x.SinglesNS = []int64{}
	}
	p := stat.PercentilesOf(x.SinglesNS)
	x.P50NS, x.P90NS, x.P99NS = p.P50, p.P90, p.P99
	return x
}

// known is a figure of a report that was measured.
func known(x float64) *float64 {
	x = tenths(x)
	return &x
}
