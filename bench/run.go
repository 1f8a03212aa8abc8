package bench

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"
)

const (
	sizeTime     = 4 * time.Second // for one size, when Count is 0
	leastSamples = 5
	mostSamples  = 200
	muchGarbage  = 1 << 20 // bytes
)

// ErrAnswer: a strategy gave a wrong answer. Run returns it with the report,
// whose figures for that strategy are worth nothing.
var ErrAnswer = errors.New("wrong answer")

// Run measures and returns when everything it started is gone. Programs that
// call it must call [pool.Main] first thing in main. ctx bounds it: its end
// stops the run within moments, and Run returns its cause. The report is the
// caller's; it is nil with every error but one that wraps [ErrAnswer].
func Run(ctx context.Context, opts *Options) (*Report, error) {
	o, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	largest := o.Sizes[len(o.Sizes)-1]
	if err := checkMemory(o.Strategies, largest); err != nil {
		return nil, err
	}
	machine := machine()
	s, err := open(ctx, o.Strategies, o.Touch, largest)
	if err != nil {
		return nil, err
	}
	results, err := measure(ctx, o, s.carriers)
	if err := errors.Join(err, s.close(ctx, err != nil)); err != nil {
		return nil, err
	}
	r := newReport(machine)
	r.Payload = PayloadInfo{Name: "array", Type: "[]float64", DType: "float64", Touch: o.Touch}
	r.conclude(results)
	return r, r.err()
}

// measure takes the samples of every size.
func measure(ctx context.Context, o Options, carriers []carrier) (results []Result, err error) {
	g := newGauge(o)
	for i, bytes := range o.Sizes {
		g.size = i
		more, err := measureSize(ctx, o, carriers, bytes, g)
		if err != nil {
			return nil, err
		}
		results = append(results, more...)
	}
	g.end()
	return results, nil
}

func measureSize(ctx context.Context, o Options, carriers []carrier, bytes int64, g *gauge) (results []Result, err error) {
	runtime.GC()
	p := newPayload(bytes, o.Touch)
	var samplers []*sampler
	defer func() {
		for _, s := range samplers {
			err = errors.Join(err, s.c.unload())
		}
	}()
	// do does one thing with a sampler and names it in the error.
	do := func(s *sampler, f func(*sampler, context.Context) error, part float64) error {
		g.show(part, s.c.strategy()+" "+FormatSize(bytes))
		if err := f(s, ctx); err != nil {
			return fmt.Errorf("bench: %s at %s: %w", s.c.strategy(), FormatSize(bytes), err)
		}
		if s.garbage() > muchGarbage {
			runtime.GC()
		}
		return nil
	}
	for _, c := range carriers {
		s, err := newSampler(c, p)
		if err != nil {
			return nil, fmt.Errorf("bench: %s at %s: %w", c.strategy(), FormatSize(bytes), err)
		}
		samplers = append(samplers, s)
		if err := do(s, (*sampler).warm, 0); err != nil {
			return nil, err
		}
	}
	start := time.Now()
	for round := 0; ; round++ {
		part := done(round, o.Count, time.Since(start))
		if part >= 1 {
			break
		}
		p.restamp()
		for i := range samplers {
			if err := do(samplers[(i+round)%len(samplers)], (*sampler).take, part); err != nil {
				return nil, err
			}
		}
	}
	for _, s := range samplers {
		results = append(results, s.result(""))
	}
	return results, nil
}

// done is the share of a size that is measured after some rounds, from 0; at 1 and above
// the size is finished.
func done(rounds, count int, spent time.Duration) float64 {
	if count > 0 {
		return float64(rounds) / float64(count)
	}
	enough := min(1, float64(rounds)/leastSamples)
	return min(enough, max(spent.Seconds()/sizeTime.Seconds(), float64(rounds)/mostSamples))
}

// A gauge feeds Options.Progress.
type gauge struct {
	f     func(done, total int, text string)
	total int
	size  int // index of the current size
	last  time.Time
}

const (
	gaugeSteps = 100 // for one size
	gaugePause = 100 * time.Millisecond
)

func newGauge(o Options) *gauge { return &gauge{f: o.Progress, total: gaugeSteps * len(o.Sizes)} }

func (g *gauge) show(part float64, text string) {
	if g.f == nil || time.Since(g.last) < gaugePause {
		return
	}
	g.last = time.Now()
	g.f(g.size*gaugeSteps+int(part*gaugeSteps), g.total, text)
}

func (g *gauge) end() {
	if g.f != nil {
		g.f(g.total, g.total, "")
	}
}

// conclude adds results and what follows from them.
func (r *Report) conclude(results []Result) {
	r.Results = results
	r.Crossovers = crossovers(results)
	r.Verdicts = []string{r.verdict()}
	r.Method.TookNS = time.Since(r.Method.Started).Nanoseconds()
}

// err names the strategies that gave wrong answers.
func (r *Report) err() error {
	var wrong []string
	for _, x := range r.Results {
		if x.Answer == wrongAnswer {
			wrong = append(wrong, x.Strategy+" at "+FormatSize(x.Bytes))
		}
	}
	if wrong == nil {
		return nil
	}
	return fmt.Errorf("bench: %w: %s", ErrAnswer, strings.Join(wrong, ", "))
}
