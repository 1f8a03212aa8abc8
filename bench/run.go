package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/handoff/bench/cost"
	"example.com/handoff/bench/stat"
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
	if o.File != "" {
		if err := o.readFile(ctx); err != nil {
			return nil, err
		}
	}
	names, left := o.payload.split(o.Strategies)
	if len(names) == 0 {
		return nil, fmt.Errorf("bench: no strategy fits payload %s: %s: %s", o.payload.name, left[0].Strategy, left[0].Why)
	}
	largest := o.Sizes[len(o.Sizes)-1]
	if err := checkMemory(names, largest); err != nil {
		return nil, err
	}
	r := &run{o: o, report: newReport(machine()), begun: time.Now(), gauge: newGauge(o)}
	r.report.Payload, r.report.LeftOut = o.payload.info(o.Touch), append(r.report.LeftOut, left...)
	if f := o.payload.file; f != nil {
		r.report.Method.Notes = append(r.report.Method.Notes, f.notes(o.payload.name)...)
	}
	s, err := open(ctx, o.payload, names, o.Touch, largest)
	if err != nil {
		return nil, err
	}
	r.carriers = s.carriers
	err = r.pinned(s, func() error {
		if err := r.sizes(ctx); err != nil || r.report.err() != nil {
			return err
		}
		return r.crossovers(ctx)
	})
	r.gauge.end()
	if err := errors.Join(err, s.close(ctx, err != nil)); err != nil {
		return nil, err
	}
	r.report.advise(o)
	r.report.conclude()
	r.report.Method.TookNS = time.Since(r.begun).Nanoseconds()
	if err := r.table().end(); err != nil {
		return nil, err
	}
	return r.report, r.report.err()
}

// pinned calls f while this process and the peers are pinned, if they are to be.
func (r *run) pinned(s *session, f func() error) error {
	if r.o.Pin == "" {
		return f()
	}
	note, undo, err := s.pin(r.o.Pin)
	if err != nil {
		return err
	}
	r.report.Method.Notes = append(r.report.Method.Notes, note)
	return errors.Join(f(), undo())
}

// A run is one Run, on one goroutine.
type run struct {
	o      Options
	report *Report
	begun  time.Time
	gauge  *gauge

	carriers []carrier
	canaries []float64    // of all rounds of rows so far
	added    cost.Checked // what was measured between the rows
}

func (r *run) table() tableWriter { return tableWriter{r.o.Table, r.report} }

// left is what is left of a share of the time.
func (r *run) left(share float64) time.Duration {
	return time.Duration(share*float64(r.o.Time)) - time.Since(r.begun)
}

// sizes measures every size, and what the models need in between.
func (r *run) sizes(ctx context.Context) error {
	if err := r.table().begin(); err != nil {
		return err
	}
	fill := r.fill()
	for i, bytes := range r.o.Sizes {
		for ; len(fill) > 0 && fill[0] < bytes; fill = fill[1:] {
			if err := r.between(ctx, fill[0]); err != nil {
				return err
			}
		}
		if err := r.size(ctx, bytes, len(r.o.Sizes)-i); err != nil {
			return err
		}
		r.gauge.next()
		if err := r.table().size(bytes); err != nil {
			return err
		}
	}
	return nil
}

// measure takes the samples of every size.
func measure(ctx context.Context, o Options, carriers []carrier) ([]Result, error) {
	r := &run{o: o, report: newReport(Machine{}), begun: time.Now(), gauge: newGauge(o), carriers: carriers}
	err := r.sizes(ctx)
	return r.report.Results, err
}

// mostSizeTime is for one size, so that rows come early and time is left for large sizes.
const mostSizeTime = 2 * time.Second

// size measures one size, of so many that are left.
func (r *run) size(ctx context.Context, bytes int64, sizes int) (err error) {
	carriers := r.carriers
	if r.o.Count == 0 {
		carriers = r.named(r.hopeful(bytes))
	}
	within := r.left(rowsShare)
	say := func(text string) { r.gauge.show(0, text) }
	p, err := r.o.payload.instance(bytes, r.o.Touch)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if p.note != "" {
		r.report.Method.Notes = append(r.report.Method.Notes, p.note)
	}
	l, err := newLineup(ctx, carriers, p, say)
	if err != nil {
		return err
	}
	r.report.LeftOut = append(r.report.LeftOut, l.left...)
	for _, c := range r.carriers {
		if !slices.Contains(carriers, c) {
			r.report.LeftOut = append(r.report.LeftOut, LeftOut{Strategy: c.strategy(), Bytes: bytes,
				Why: "one handoff would have taken about " + stat.Time(float64(r.expected(c.strategy(), bytes))) + ", by what smaller ones took"})
		}
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if r.o.Count == 0 {
		left, err := l.shorten(r.left(rowsShare))
		if err != nil {
			return err
		}
		r.report.LeftOut = append(r.report.LeftOut, left...)
	}
	if err := l.each(ctx, say, (*sampler).single); err != nil {
		return err
	}
	if err := l.each(ctx, say, (*sampler).pause); err != nil {
		return err
	}
	least, start := stat.Rounds(len(l.samplers), r.o.Count), time.Now()
	share := max(1, min(mostSizeTime, within/time.Duration(sizes))) // no time is left: the fewest rounds
	err = l.rounds(ctx, func(rounds int) bool {
		part := min(float64(rounds)/float64(least), 1)
		if r.o.Count == 0 {
			part = min(part, time.Since(start).Seconds()/share.Seconds(), 1)
		}
		if part < 1 {
			r.gauge.show(part, FormatSize(bytes))
		}
		return part < 1
	})
	if err != nil {
		return err
	}
	r.canaries = append(r.canaries, l.canaries...)
	results := l.results(stat.CanaryRange(r.canaries))
	r.report.Results = append(r.report.Results, results...)
	r.report.Pairs = append(r.report.Pairs, pairs(results)...)
	return nil
}

// A gauge feeds Options.Progress.
type gauge struct {
	f     func(done, total int, text string)
	total int
	stage int
	last  time.Time
}

const (
	gaugeSteps = 100 // for one stage
	gaugePause = 100 * time.Millisecond
)

// newGauge counts a stage for each size, for the verification of the models, and for each pair
// for its search and its verification.
func newGauge(o Options) *gauge {
	return &gauge{f: o.Progress, total: gaugeSteps * (len(o.Sizes) + 1 + 2*len(crossoverPairs))}
}

func (g *gauge) show(part float64, text string) {
	if g.f == nil || time.Since(g.last) < gaugePause {
		return
	}
	g.last = time.Now()
	g.f(g.stage*gaugeSteps+int(part*(gaugeSteps-1)), g.total, text)
}

// next begins another stage. There is never more done than the total.
func (g *gauge) next() { g.stage = min(g.stage+1, g.total/gaugeSteps-1) }

func (g *gauge) end() {
	if g.f != nil {
		g.f(g.total, g.total, "")
	}
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
