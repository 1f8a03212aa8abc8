package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"example.com/handoff/bench/cost"
	"example.com/handoff/bench/stat"
)

const (
	// modelSizes is how many sizes models are fitted to, at least. With half of them the pieces between
	// two caches have too few.
	modelSizes = 12
	// modelRounds is how many rounds are taken at those that have no row, and at those where models are
	// checked, at least.
	modelRounds = 16
)

// between measures sizes between those of the rows, the small ones first, until there are enough for models or
// the time is up. They are measured as rows are, all strategies in one block, since what runs before a
// strategy changes what it finds in the caches.
func (s *search) between(ctx context.Context) error {
	s.gauge.next()
	for _, bytes := range s.fill() {
		names := s.measuredAt(bytes)
		if len(names) == 0 || s.takes(names, bytes, modelRounds) > s.left(betweenShare) {
			continue
		}
		times, err := s.rotate(ctx, names, bytes, modelRounds, "models", nil)
		if err != nil {
			return err
		}
		s.added.Measured = append(s.added.Measured, cost.Measured{Bytes: bytes, NS: times})
	}
	return nil
}

// fill are the sizes that split the widest gaps between rows in the middle, ascending.
func (s *search) fill() (added []int64) {
	sizes := slices.Clone(s.o.Sizes)
	for len(sizes) < modelSizes {
		best, at, widest := int64(0), 0, 1.0
		for i := 1; i < len(sizes); i++ {
			gap := float64(sizes[i]) / float64(sizes[i-1])
			x := s.possible(int64(math.Round(math.Sqrt(float64(sizes[i]) * float64(sizes[i-1])))))
			if gap > widest && sizes[i-1] < x && x < sizes[i] {
				best, at, widest = x, i, gap
			}
		}
		if best == 0 {
			break
		}
		sizes, added = slices.Insert(sizes, at, best), append(added, best)
	}
	slices.Sort(added)
	return added
}

// measuredAt are the strategies of the next larger row: others did not fit or were left out.
func (s *search) measuredAt(bytes int64) (names []string) {
	row := int64(0)
	for _, r := range s.report.Results {
		if row == 0 && r.Bytes >= bytes {
			row = r.Bytes
		}
		if row != 0 && r.Bytes == row {
			names = append(names, r.Strategy)
		}
	}
	return names
}

// takes is about how long rounds of strategies at a size take: by their models, or before
// these are fitted by the next larger row.
func (s *search) takes(names []string, bytes int64, rounds int) (d time.Duration) {
	rounds = stat.Rounds(len(names), rounds)
	for _, name := range names {
		var one time.Duration
		if m, ok := s.models[name]; ok {
			one = time.Duration(m.Predict(bytes).NS)
		} else if i := slices.IndexFunc(s.report.Results, func(r Result) bool { return r.Strategy == name && r.Bytes >= bytes }); i >= 0 {
			one = time.Duration(s.report.Results[i].MedianNS)
		}
		d += 10*sampleTime + 2*one + time.Duration(rounds)*max(sampleTime, one)
	}
	return d
}

// rotate takes rounds of some strategies at a size and returns their times; what does not fit is not among
// them. delays are added to each of a strategy's handoffs.
func (s *search) rotate(ctx context.Context, names []string, bytes int64, rounds int, what string, delays map[string]time.Duration) (times map[string][]float64, err error) {
	p, err := s.o.payload.instance(bytes, s.o.Touch)
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	var carriers []carrier
	for _, c := range s.carriers {
		if slices.Contains(names, c.strategy()) {
			carriers = append(carriers, c)
		}
	}
	l, err := newLineup(ctx, carriers, p, func(text string) { s.gauge.show(0, what+" "+text) })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	for _, x := range l.samplers {
		x.delay = delays[x.c.strategy()]
	}
	need := stat.Rounds(len(l.samplers), rounds)
	if err := l.rounds(ctx, func(rounds int) bool { return rounds < need }); err != nil {
		return nil, err
	}
	times = map[string][]float64{}
	for _, x := range l.samplers {
		if x.wrong > 0 {
			return nil, l.fault(x.c, ErrAnswer)
		}
		times[x.c.strategy()] = x.samples
	}
	return times, nil
}

// fit makes the models of all strategies.
func (s *search) fit() error {
	var points []cost.Point
	for _, x := range s.report.Results {
		points = append(points, cost.Point{Strategy: x.Strategy, Bytes: x.Bytes, NS: x.MedianNS})
	}
	for _, x := range s.added.Measured {
		for name, ns := range x.NS {
			points = append(points, cost.Point{Strategy: name, Bytes: x.Bytes, NS: tenths(stat.Median(ns))})
		}
	}
	models, err := cost.FitAll(points, nil)
	if err != nil {
		return err
	}
	for _, name := range s.o.Strategies {
		i := slices.IndexFunc(models, func(m cost.Model) bool { return m.Strategy == name })
		if i >= 0 {
			s.models[name] = models[i]
			s.report.Models = append(s.report.Models, newModel(models[i], points))
		}
	}
	return nil
}

// check measures afresh what the models say, until a moment.
func (s *search) check(ctx context.Context, until time.Time) error {
	s.gauge.next()
	var models []cost.Model
	for _, m := range s.report.Models {
		models = append(models, s.models[m.Strategy])
	}
	near := int64(0)
	for _, c := range s.found {
		if near == 0 {
			near = c.Bytes
		}
	}
	measure := func(ctx context.Context, names []string, bytes int64, rounds int) (map[string][]float64, error) {
		return s.rotate(ctx, names, bytes, rounds, "verify", s.o.verifyDelays)
	}
	var err error
	s.checked, err = cost.CheckModels(ctx, models, measure, cost.CheckOptions{
		Possible: s.possible, Near: near, Rounds: modelRounds,
		Afford: func(names []string, bytes int64, rounds int) bool {
			return time.Now().Add(s.takes(names, bytes, rounds)).Before(until)
		},
	})
	if err != nil {
		return fmt.Errorf("bench: the verification of the models: %w", err)
	}
	for i := range s.report.Models {
		m := &s.report.Models[i]
		m.Verified = cost.ModelVerdict(s.checked.Checks, m.Strategy)
		for _, c := range s.checked.Checks {
			if c.Strategy == m.Strategy {
				m.Checks = append(m.Checks, newCheck(c))
			}
		}
	}
	return nil
}

// newModel is one of a report, with the points that it was fitted to.
func newModel(m cost.Model, points []cost.Point) Model {
	n := Model{Strategy: m.Strategy, Pieces: []Piece{}, Points: []Point{}, Checks: []Check{}}
	if m.Band > 0 {
		n.Band = known(m.Band)
	}
	for _, p := range m.Pieces {
		n.Pieces = append(n.Pieces, Piece{FromBytes: p.FromBytes, ToBytes: p.ToBytes, FixedNS: digits(p.FixedNS), NSPerByte: digits(p.NSPerByte)})
	}
	for _, p := range points {
		if p.Strategy == m.Strategy {
			n.Points = append(n.Points, Point{p.Bytes, p.NS})
		}
	}
	slices.SortFunc(n.Points, func(a, b Point) int { return int(a.Bytes - b.Bytes) })
	return n
}

func newCheck(c cost.Check) Check {
	return Check{
		Bytes: c.Bytes, ModelNS: tenths(c.ModelNS), MeasuredNS: tenths(c.MeasuredNS),
		LowNS: bounded(c.LowNS), HighNS: bounded(c.HighNS), OK: c.OK,
	}
}
