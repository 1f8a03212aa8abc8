package bench

import (
	"context"
	"fmt"
	"time"

	"example.com/handoff/bench/cost"
	"example.com/handoff/bench/stat"
)

// The pairs that are compared, the one that wins small payloads first: ways that copy with those that don't, what goes by
// value with what is shared once, and the cheapest to a process with none.
var crossoverPairs = [][2]string{
	{gobReused, shmFresh}, {gobReused, shmCopy}, {gobReused, valued}, {valued, sharedOnce}, {shmCopy, inProcess}, {sharedOnce, inProcess},
}

// Shares of the time: the rows and the sizes between them, the search of crossovers, and the verification of models and crossovers.
const (
	rowsShare   = 0.5
	searchShare = 0.7
	verifyShare = 1.0
)

// mostSearchRounds are for one pair; a run of many pairs ends by its time.
const mostSearchRounds = 2000

// A search fits the models and looks for the crossovers of a run, once all its rows are measured.
type search struct {
	*run
	models  map[string]cost.Model
	pairs   [][2]string
	found   []cost.Crossover
	checked cost.Checked // what the verification of the models has measured
}

// crossovers fits the models, looks for the crossovers, and verifies both.
func (r *run) crossovers(ctx context.Context) error {
	s := &search{run: r, models: map[string]cost.Model{}}
	if err := s.fit(); err != nil {
		s.report.Method.Notes = append(s.report.Method.Notes, fmt.Sprintf("There are no models and no search for crossovers: %v.", err))
		return nil
	}
	for _, pair := range crossoverPairs {
		if len(s.known(pair[0], pair[1])) > 0 {
			s.pairs = append(s.pairs, pair)
		}
	}
	for i, pair := range s.pairs {
		s.gauge.next()
		if err := s.pair(ctx, pair, s.share(searchShare, len(s.pairs)-i)); err != nil {
			return err
		}
	}
	if err := s.check(ctx, s.share(verifyShare, 2)); err != nil {
		return err
	}
	for i, c := range s.found {
		s.gauge.next()
		if err := s.verify(ctx, &c, s.share(verifyShare, len(s.found)-i)); err != nil {
			return err
		}
		s.report.Crossovers = append(s.report.Crossovers, newCrossover(c))
	}
	return nil
}

// share is when the next of so many parts has to end.
func (r *run) share(of float64, parts int) time.Time {
	return time.Now().Add(r.left(of) / time.Duration(parts))
}

// known are the rounds in which both strategies were measured, among all others.
func (s *search) known(a, b string) []cost.Rounds {
	known := s.added.Between(a, b)
	for _, x := range s.report.Results {
		for _, y := range s.report.Results {
			if x.Strategy == a && y.Strategy == b && x.Bytes == y.Bytes {
				known = append(known, cost.Rounds{Bytes: x.Bytes, A: x.SamplesNS, B: y.SamplesNS})
			}
		}
	}
	return known
}

// pair looks for the crossovers of two strategies until a moment.
func (s *search) pair(ctx context.Context, pair [2]string, until time.Time) error {
	a, b := pair[0], pair[1]
	found, err := cost.Search(ctx, s.models[a], s.models[b], s.measure(a, b, "search", nil), cost.SearchOptions{
		Possible: s.possible, Known: s.known(a, b), Afford: s.afford(a, b, until), MaxRounds: mostSearchRounds,
	})
	if err != nil {
		return fmt.Errorf("bench: the crossover of %s and %s: %w", a, b, err)
	}
	s.found = append(s.found, found.Crossovers...)
	return nil
}

// verify measures a crossover afresh until a moment, in the way in which it was found.
func (s *search) verify(ctx context.Context, c *cost.Crossover, until time.Time) error {
	v, err := cost.Verify(ctx, *c, s.measure(c.A, c.B, "verify", s.o.verifyDelays), cost.VerifyOptions{
		Min: s.report.Results[0].Bytes, Max: s.report.Results[len(s.report.Results)-1].Bytes,
		Possible: s.possible, Afford: s.afford(c.A, c.B, until), Fresh: s.checked.Between(c.A, c.B),
	})
	if err != nil {
		return fmt.Errorf("bench: the verification of %s and %s: %w", c.A, c.B, err)
	}
	c.Verified = v.Verdict
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

// measure takes rounds of two strategies at a size.
func (s *search) measure(a, b, what string, delays map[string]time.Duration) cost.Measure {
	return func(ctx context.Context, bytes int64, rounds int) (as, bs []float64, err error) {
		times, err := s.rotate(ctx, []string{a, b}, bytes, rounds, what, delays)
		if err != nil {
			return nil, nil, err
		}
		for _, name := range []string{a, b} {
			if times[name] == nil {
				return nil, nil, fmt.Errorf("%s does not fit at %s", name, FormatSize(bytes))
			}
		}
		return times[a], times[b], nil
	}
}

// afford reports whether rounds of two strategies at a size end before a moment.
func (s *search) afford(a, b string, until time.Time) func(bytes int64, rounds int) bool {
	return func(bytes int64, rounds int) bool {
		return time.Now().Add(s.takes([]string{a, b}, bytes, rounds)).Before(until)
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
