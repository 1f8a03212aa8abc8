package bench

import (
	"cmp"
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
	modelRounds = 10
	// leastCheck is below which size the first check of the models takes place without time for it.
	leastCheck = 1 << 20
)

// between measures a size between two rows, if there is time for it. That is done as for rows, all strategies in
// one block, since what runs before a strategy changes what it finds in the caches.
func (r *run) between(ctx context.Context, bytes int64) error {
	names := r.hopeful(bytes)
	need := time.Duration(0)
	for _, name := range names {
		need += handoffsTake(r.expected(name, bytes), wholeBlocks(len(names), modelRounds))
	}
	if len(names) == 0 || need > r.left(rowsShare)/4 { // larger rows need more
		return nil
	}
	p, err := r.o.payload.instance(bytes, r.o.Touch)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	times, err := r.rotate(ctx, names, p, modelRounds, "models", nil)
	r.added.Measured = append(r.added.Measured, cost.Measured{Bytes: p.bytes, NS: times})
	return err
}

// fill are the sizes that split the widest gaps between rows in the middle.
func (r *run) fill() (added []int64) {
	sizes, elem := slices.Clone(r.o.Sizes), max(1, r.o.payload.dtype.Size())
	for len(sizes) < modelSizes {
		best, at, widest := int64(0), 0, 1.0
		for i := 1; i < len(sizes); i++ {
			x := int64(math.Sqrt(float64(sizes[i])*float64(sizes[i-1]))) / elem * elem
			if gap := float64(sizes[i]) / float64(sizes[i-1]); gap > widest && sizes[i-1] < x {
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

// expected is about how long a handoff takes, going by the last row that has the strategy; 0 without one.
func (r *run) expected(strategy string, bytes int64) time.Duration {
	for _, x := range slices.Backward(r.report.Results) {
		if x.Strategy == strategy {
			return time.Duration(x.MedianNS * max(1, float64(bytes)/float64(x.Bytes)))
		}
	}
	return 0
}

// hopeful are the strategies, but for those for which there is no time at a size even if only one other is
// measured.
func (r *run) hopeful(bytes int64) (names []string) {
	for _, c := range r.carriers {
		names = append(names, c.strategy())
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(r.expected(a, bytes), r.expected(b, bytes)) })
	for n := len(names); n > 2; n-- {
		if handoffsTake(r.expected(names[n-1], bytes), stat.Rounds(2, 0)) <= r.left(rowsShare) {
			break
		}
		names = names[:n-1]
	}
	return names
}

// handoffsTake is about how long it takes to warm up a strategy and take samples of it, where one handoff takes so long.
func handoffsTake(one time.Duration, samples int) time.Duration {
	return 10*sampleTime + 2*one + time.Duration(samples)*sampleTakes(one)
}

// wholeBlocks is how many rounds whole blocks of n ways make: at least so many. One block is enough here.
func wholeBlocks(n, rounds int) int { return (rounds + n - 1) / max(1, n) * n }

// named are the carriers of some strategies.
func (r *run) named(names []string) []carrier {
	return slices.DeleteFunc(slices.Clone(r.carriers), func(c carrier) bool { return !slices.Contains(names, c.strategy()) })
}

// rotate takes rounds of some strategies with a value and returns their times; what does not fit is not among
// them. delays are added to each of a strategy's handoffs.
func (r *run) rotate(ctx context.Context, names []string, p *instance, rounds int, what string, delays map[string]time.Duration) (times map[string][]float64, err error) {
	l, err := newLineup(ctx, r.named(names), p, func(text string) { r.gauge.show(0, what+" "+text) })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	for _, x := range l.samplers {
		x.delay = delays[x.c.strategy()]
	}
	need := wholeBlocks(len(l.samplers), rounds)
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

// rotate is that of the run, at a size that the payload can have.
func (s *search) rotate(ctx context.Context, names []string, bytes int64, rounds int, what string, delays map[string]time.Duration) (map[string][]float64, error) {
	p, err := s.o.payload.instance(bytes, s.o.Touch)
	if err != nil {
		return nil, err
	}
	return s.run.rotate(ctx, names, p, rounds, what, delays)
}

// takes is about how long rounds of strategies at a size take, by their models.
func (s *search) takes(names []string, bytes int64, rounds int) (d time.Duration) {
	for _, name := range names {
		d += handoffsTake(time.Duration(s.models[name].Predict(bytes).NS), wholeBlocks(len(names), rounds))
	}
	return d
}

// fit makes the models of all strategies.
func (s *search) fit() error {
	var points []cost.Point
	for _, x := range s.report.Results {
		points = append(points, cost.Point{Strategy: x.Strategy, Bytes: x.Bytes, NS: x.MedianNS})
	}
	for _, x := range s.added.Measured { // by size
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
	begun := false
	s.checked, err = cost.CheckModels(ctx, models, measure, cost.CheckOptions{
		Possible: s.possible, Near: near, Rounds: modelRounds,
		Afford: func(names []string, bytes int64, rounds int) bool {
			first := !begun && bytes < leastCheck // however little time is left
			begun = true
			return first || time.Now().Add(s.takes(names, bytes, rounds)).Before(until)
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
