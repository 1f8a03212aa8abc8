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

// The pairs that are compared, the one that wins small payloads first.
var crossoverPairs = [][2]string{{gobReused, shmFresh}, {gobReused, shmCopy}, {shmCopy, inProcess}}

// Shares of the time: the sizes, then the search of crossovers, then their verification.
const (
	sizesShare  = 0.65
	searchShare = 0.82
	verifyShare = 1.0
)

// A search looks for the crossovers of a run, once all its sizes are measured.
type search struct {
	*run
	carriers []carrier
	models   map[string]cost.Model
	pairs    [][2]string
	found    []cost.Crossover
}

// crossovers fits the models, looks for the crossovers, and verifies both.
func (r *run) crossovers(ctx context.Context, carriers []carrier) error {
	s := &search{run: r, carriers: carriers, models: map[string]cost.Model{}}
	for _, pair := range crossoverPairs {
		if s.carrier(pair[0]) != nil && s.carrier(pair[1]) != nil && len(s.known(pair[0], pair[1])) > 0 {
			s.pairs = append(s.pairs, pair)
		}
	}
	if err := s.fit(); err != nil {
		s.report.Method.Notes = append(s.report.Method.Notes, fmt.Sprintf("There are no models and no search for crossovers: %v.", err))
		return nil
	}
	for i, pair := range s.pairs {
		s.gauge.next()
		if err := s.pair(ctx, pair, s.share(searchShare, len(s.pairs)-i)); err != nil {
			return err
		}
	}
	for i := range s.found {
		s.gauge.next()
		if err := s.verify(ctx, &s.found[i], s.share(verifyShare, len(s.found)-i)); err != nil {
			return err
		}
	}
	for _, c := range s.found {
		s.report.Crossovers = append(s.report.Crossovers, newCrossover(c))
	}
	for i := range s.report.Models {
		s.report.Models[i].judge()
	}
	return nil
}

// share is when the next of so many parts has to end.
func (r *run) share(of float64, parts int) time.Time {
	return time.Now().Add(r.left(of) / time.Duration(parts))
}

func (s *search) carrier(strategy string) carrier {
	for _, c := range s.carriers {
		if c.strategy() == strategy {
			return c
		}
	}
	return nil
}

// known are the rounds in which both strategies were measured.
func (s *search) known(a, b string) (known []cost.Rounds) {
	for _, x := range s.report.Results {
		for _, y := range s.report.Results {
			if x.Strategy == a && y.Strategy == b && x.Bytes == y.Bytes {
				known = append(known, cost.Rounds{Bytes: x.Bytes, A: x.SamplesNS, B: y.SamplesNS})
			}
		}
	}
	return known
}

// fit makes the models of all strategies.
func (s *search) fit() error {
	var points []cost.Point
	for _, x := range s.report.Results {
		points = append(points, cost.Point{Strategy: x.Strategy, Bytes: x.Bytes, NS: x.MedianNS})
	}
	models, err := cost.FitAll(points, nil)
	if err != nil {
		return err
	}
	for _, m := range models {
		s.models[m.Strategy] = m
		s.report.Models = append(s.report.Models, newModel(m))
	}
	return nil
}

// pair looks for the crossovers of two strategies until a moment.
func (s *search) pair(ctx context.Context, pair [2]string, until time.Time) error {
	a, b := pair[0], pair[1]
	found, err := cost.Search(ctx, s.models[a], s.models[b], s.measure(a, b, "search", 0), cost.SearchOptions{
		Possible: s.possible, Known: s.known(a, b), Afford: s.afford(a, b, until),
	})
	if err != nil {
		return fmt.Errorf("bench: the crossover of %s and %s: %w", a, b, err)
	}
	s.found = append(s.found, found.Crossovers...)
	return nil
}

// verify measures a crossover and both models afresh until a moment.
func (s *search) verify(ctx context.Context, c *cost.Crossover, until time.Time) error {
	v, err := cost.Verify(ctx, *c, s.models[c.A], s.models[c.B], s.measure(c.A, c.B, "verify", s.o.verifyDelay), cost.VerifyOptions{
		Possible: s.possible, Afford: s.afford(c.A, c.B, until),
	})
	if err != nil {
		return fmt.Errorf("bench: the verification of %s and %s: %w", c.A, c.B, err)
	}
	c.Verified = v.Verdict
	for _, check := range v.Checks {
		for i := range s.report.Models {
			if m := &s.report.Models[i]; m.Strategy == check.Strategy {
				m.Checks = append(m.Checks, newCheck(check))
			}
		}
	}
	return nil
}

// possible is a size that the payload can have, near the one that is wanted.
func (s *search) possible(bytes int64) int64 {
	if elem := int64(s.o.payload.dtype.Size()); elem > 0 && s.o.payload.most == 0 {
		return max(1, (bytes+elem/2)/elem) * elem
	}
	found, err := s.o.payload.find(max(bytes, s.report.Results[0].Bytes))
	if err != nil {
		return bytes // measuring there says why
	}
	return found.bytes
}

// measure takes rounds of two strategies at a size; delay is added to each handoff.
func (s *search) measure(a, b, what string, delay time.Duration) cost.Measure {
	return func(ctx context.Context, bytes int64, rounds int) (as, bs []float64, err error) {
		say := func(string) { s.gauge.show(0, fmt.Sprintf("%s %s, %s at %s", what, a, b, FormatSize(bytes))) }
		p, err := s.o.payload.instance(bytes, s.o.Touch)
		if err != nil {
			return nil, nil, err
		}
		l, err := newLineup(ctx, []carrier{s.carrier(a), s.carrier(b)}, p, say)
		if err != nil {
			return nil, nil, err
		}
		defer func() { err = errors.Join(err, l.close()) }()
		if len(l.left) > 0 {
			return nil, nil, fmt.Errorf("%s does not fit at %s: %s", l.left[0].Strategy, FormatSize(bytes), l.left[0].Why)
		}
		for _, x := range l.samplers {
			x.delay = delay
		}
		need := stat.Rounds(len(l.samplers), rounds)
		if err := l.rounds(ctx, func(rounds int) bool { return rounds < need }); err != nil {
			return nil, nil, err
		}
		for _, x := range l.samplers {
			if x.wrong > 0 {
				return nil, nil, l.fault(x.c, ErrAnswer)
			}
		}
		return l.samplers[0].samples, l.samplers[1].samples, nil
	}
}

// afford reports whether rounds of two strategies at a size end before a moment, by their
// models.
func (s *search) afford(a, b string, until time.Time) func(bytes int64, rounds int) bool {
	return func(bytes int64, rounds int) bool {
		total := time.Duration(0)
		for _, name := range []string{a, b} {
			one := time.Duration(s.models[name].Predict(bytes).NS)
			total += 10*sampleTime + 2*one + time.Duration(rounds)*max(sampleTime, one)
		}
		return time.Now().Add(total).Before(until)
	}
}

func newModel(m cost.Model) Model {
	n := Model{Strategy: m.Strategy, Pieces: []Piece{}, Checks: []Check{}}
	if m.Band > 0 {
		n.Band = known(m.Band)
	}
	for _, p := range m.Pieces {
		n.Pieces = append(n.Pieces, Piece{FromBytes: p.FromBytes, ToBytes: p.ToBytes, FixedNS: digits(p.FixedNS), NSPerByte: digits(p.NSPerByte)})
	}
	return n
}

func newCheck(c cost.Check) Check {
	return Check{
		Bytes: c.Bytes, ModelNS: tenths(c.ModelNS), MeasuredNS: tenths(c.MeasuredNS),
		LowNS: bounded(c.LowNS), HighNS: bounded(c.HighNS), OK: c.OK,
	}
}

// judge says what the checks of a model say together: by how much it is wrong at worst.
func (m *Model) judge() {
	if len(m.Checks) == 0 {
		return
	}
	slices.SortStableFunc(m.Checks, func(a, b Check) int { return cmp.Compare(a.Bytes, b.Bytes) })
	m.Verified = "confirmed"
	worst := 0.0
	for _, c := range m.Checks {
		off := math.Abs(math.Log(c.MeasuredNS / c.ModelNS))
		if !c.OK && off >= worst {
			worst = off
			m.Verified = fmt.Sprintf("wrong by %s times at %s: %s, the model says %s", stat.Number(math.Exp(off)), stat.Size(c.Bytes),
				stat.Time(c.MeasuredNS), stat.Time(c.ModelNS))
		}
	}
}

// newCrossover is one of a report, with null for what is not known.
func newCrossover(c cost.Crossover) Crossover {
	size := func(bytes int64) *int64 {
		if bytes == 0 {
			return nil
		}
		return &bytes
	}
	return Crossover{
		A: c.A, B: c.B, Bytes: size(c.Bytes), Low: size(c.Low), High: size(c.High), Always: c.Always, Verified: c.Verified, Note: c.Note,
	}
}

func (c Crossover) short() string {
	s := "not separated at any size"
	switch {
	case c.Bytes != nil:
		s = stat.Size(*c.Bytes)
		if c.Low != nil && c.High != nil {
			s += fmt.Sprintf(" [%s–%s]", stat.Size(*c.Low), stat.Size(*c.High))
		}
	case c.Always == "b":
		s = "at all sizes"
	case c.Always == "a":
		s = "at no size"
	}
	for _, more := range []string{c.Verified, c.Note} {
		if more != "" {
			s += ", " + more
		}
	}
	return s
}
