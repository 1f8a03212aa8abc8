package cost

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"example.com/handoff/bench/stat"
)

const (
	// lookAlpha is the probability with which one look at a size calls the wrong one faster: six rounds of
	// one sign. It is less than that of an interval of 95 % because a search looks more than once.
	lookAlpha   = 1.0 / 64
	firstRounds = 8
	mostRounds  = 64 // at one size
	firmRounds  = 16 // at each end of a crossover: two looks
	wideMargins = 3  // the ends that are measured first are so many margins from the estimate
	sureRounds  = 32 // for a verdict that contradicts those of both neighbours or stands alone, and for the least and the greatest size
	leastProbes = 5  // sizes, so that two crossings aren't taken for none
	goalRatio   = 1.5
	goalRounds  = 400
	sameSize    = 1.03 // sizes that are closer aren't worth telling apart
)

// Search looks for the sizes at which a's and b's strategies overtake each other.
//
// The models, and the rounds that are known, only say where to look. Where A is
// separated as the faster at one size and B at another one, the crossing in between
// is estimated, and rounds are measured below and above the
// estimate, more and more of them until A is separated at the one and B at the other or
// the next size outward is tried: first well apart, so that the estimate comes from what the search has measured itself, then,
// while high/low is greater than the goal, close to it. A size at which a crossing is predicted and not seen is looked
// at too. With the time and the rounds that are left, both ends are measured again.
//
// It does not narrow further than the goal: near the crossing a machine's two minutes differ. With an
// error, from measure or of ctx, there is also what was found before.
func Search(ctx context.Context, a, b Model, measure Measure, o SearchOptions) (Found, error) {
	s := &search{a: a, b: b, measure: measure, o: o, at: map[int64]*Rounds{}, fresh: map[int64]int{}}
	if err := s.begin(); err != nil {
		return Found{}, err
	}
	err := s.run(ctx)
	return s.found(), err
}

type search struct {
	a, b    Model
	measure Measure
	o       SearchOptions
	at      map[int64]*Rounds // by size
	fresh   map[int64]int     // how many of them the search measured
	rounds  int               // measured
	note    string            // why it ended early
}

// begin checks the options and fills in what is left out.
func (s *search) begin() error {
	o := &s.o
	if o.Min == 0 && o.Max == 0 && len(s.a.Fitted) > 0 && len(s.b.Fitted) > 0 {
		o.Min, o.Max = max(s.a.Fitted[0], s.b.Fitted[0]), min(s.a.Fitted[len(s.a.Fitted)-1], s.b.Fitted[len(s.b.Fitted)-1])
	}
	if o.Min < 0 || o.Max < o.Min || o.Max == 0 {
		return fmt.Errorf("cost: a search from %d to %d bytes, expected a range of sizes", o.Min, o.Max)
	}
	if o.Possible == nil {
		o.Possible = func(bytes int64) int64 { return bytes }
	}
	if o.Goal == 0 {
		o.Goal = goalRatio
	}
	if !(o.Goal > 1) {
		return fmt.Errorf("cost: %v is the goal for high/low, expected more than 1", o.Goal)
	}
	if o.MaxRounds == 0 {
		o.MaxRounds = goalRounds
	}
	for _, k := range o.Known {
		if k.Bytes < o.Min || k.Bytes > o.Max {
			continue
		}
		if err := s.add(k.Bytes, k.A, k.B); err != nil {
			return err
		}
	}
	return nil
}

// add keeps rounds.
func (s *search) add(bytes int64, a, b []float64) error {
	if err := paired(bytes, a, b); err != nil {
		return err
	}
	r := s.at[bytes]
	if r == nil {
		r = &Rounds{Bytes: bytes}
		s.at[bytes] = r
	}
	r.A, r.B = append(r.A, a...), append(r.B, b...)
	return nil
}

// paired is an error if there are no rounds of A and B that can be compared.
func paired(bytes int64, a, b []float64) error {
	if len(a) != len(b) {
		return fmt.Errorf("cost: %d samples of A and %d of B at %s, expected one of each in a round", len(a), len(b), stat.Size(bytes))
	}
	if _, unusable := stat.LogRatios(a, b); unusable == len(a) {
		return fmt.Errorf("cost: none of %d rounds at %s has two positive, finite times", len(a), stat.Size(bytes))
	}
	return nil
}

func (s *search) run(ctx context.Context) error {
	for _, size := range s.seeds() {
		if s.at[size] == nil {
			if more, err := s.look(ctx, size); !more {
				return err
			}
		}
	}
	for {
		size, ok := s.next()
		if !ok {
			return nil
		}
		if more, err := s.look(ctx, size); !more {
			return err
		}
	}
}

// look measures at a size, as many rounds as it did there already. Rounds that were known
// give way to the first ones: other strategies may have run in between these. It
// reports whether the search goes on.
func (s *search) look(ctx context.Context, size int64) (more bool, err error) {
	n := min(mostRounds, max(firstRounds, s.fresh[size]))
	if s.rounds+n > s.o.MaxRounds || s.o.Afford != nil && !s.o.Afford(size, n) {
		s.note = fmt.Sprintf("the search ended after %d rounds, before %d more at %s", s.rounds, n, stat.Size(size))
		return false, nil
	}
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	a, b, err := s.measure(ctx, size, n)
	if err == nil {
		err = paired(size, a, b)
	}
	if err != nil {
		return false, err
	}
	if s.fresh[size] == 0 {
		delete(s.at, size)
	}
	s.fresh[size] += len(a)
	s.rounds += len(a)
	return true, s.add(size, a, b)
}

// sizes are those at which there are rounds, ascending.
func (s *search) sizes() []int64 { return slices.Sorted(maps.Keys(s.at)) }

func (s *search) compare(size int64) stat.Ratio {
	return stat.Compare(s.at[size].A, s.at[size].B, lookAlpha)
}

// A separated size is one at which one of them is the faster.
type separated struct {
	size    int64
	verdict stat.Verdict
}

func (s *search) separated() (list []separated) {
	for _, size := range s.sizes() {
		if v := s.compare(size).Verdict; v != stat.NotSeparated {
			list = append(list, separated{size, v})
		}
	}
	return list
}

// A bracket is two sizes between which one overtakes the other; none in between is separated.
type bracket struct{ low, high separated }

func brackets(list []separated) (found []bracket) {
	for i := 1; i < len(list); i++ {
		if list[i-1].verdict != list[i].verdict {
			found = append(found, bracket{list[i-1], list[i]})
		}
	}
	return found
}

// seeds are the sizes with which the search begins: the ends, both sides of crossings that
// are predicted and not known, and as many in between as make a few.
func (s *search) seeds() (sizes []int64) {
	margin := s.margin()
	sizes = append(sizes, s.possible(float64(s.o.Min)), s.possible(float64(s.o.Max)))
	known := brackets(s.separated())
	for _, x := range crossings(s.a, s.b, s.o.Min, s.o.Max) {
		if !slices.ContainsFunc(known, func(b bracket) bool { return b.low.size <= x && x <= b.high.size }) {
			sizes = append(sizes, s.possible(float64(x)/margin), s.possible(float64(x)*margin))
		}
	}
	if len(s.at)+len(sizes) < leastProbes {
		step := math.Log(float64(s.o.Max)/float64(max(1, s.o.Min))) / (leastProbes - 1)
		for i := 1; i < leastProbes-1; i++ {
			sizes = append(sizes, s.possible(float64(max(1, s.o.Min))*math.Exp(step*float64(i))))
		}
	}
	return sizes
}

// possible is the size nearest to a wanted one, within the range.
func (s *search) possible(bytes float64) int64 {
	return s.o.Possible(min(s.o.Max, max(s.o.Min, int64(math.Round(bytes)))))
}

// margin is by which factor the sizes below and above an estimate differ from it: a little less than
// the goal allows.
func (s *search) margin() float64 { return math.Pow(s.o.Goal, 0.42) }

// next is the size at which more rounds help most.
func (s *search) next() (size int64, ok bool) {
	list := s.separated()
	for i := 1; i < len(list)-1; i++ {
		x := list[i]
		if x.verdict != list[i-1].verdict && x.verdict != list[i+1].verdict && s.fresh[x.size] < sureRounds {
			return x.size, true
		}
	}
	if len(list) == 1 && s.fresh[list[0].size] < sureRounds {
		return list[0].size, true
	}
	open := brackets(list)
	if len(open) == 0 {
		return s.end()
	}
	slices.SortStableFunc(open, func(x, y bracket) int { return cmp.Compare(y.width(), x.width()) })
	for _, b := range open {
		if b.width() <= s.o.Goal {
			break
		}
		if size, ok = s.within(b); ok {
			return size, true
		}
	}
	for rounds := firmRounds; rounds <= mostRounds; rounds *= 2 {
		for _, b := range open {
			for _, end := range []int64{b.low.size, b.high.size} {
				if s.fresh[end] < rounds {
					return end, true
				}
			}
		}
	}
	return 0, false
}

// end is the least or the greatest size, if neither of them is separated there by few rounds: a crossing
// near it would be missed.
func (s *search) end() (size int64, ok bool) {
	sizes := s.sizes()
	for _, size := range []int64{sizes[0], sizes[len(sizes)-1]} {
		if s.fresh[size] < sureRounds && s.compare(size).Verdict == stat.NotSeparated {
			return size, true
		}
	}
	return 0, false
}

func (b bracket) width() float64 { return float64(b.high.size) / float64(max(1, b.low.size)) }

// within is the next size to look at inside a bracket; ok is false if none is left.
func (s *search) within(b bracket) (size int64, ok bool) {
	x, margin := s.estimate(b), s.margin()
	if !s.own(b) {
		margin = math.Pow(margin, wideMargins)
	}
	low, high := x/margin, x*margin
	below, above := low/float64(max(1, b.low.size)), float64(b.high.size)/high
	sides := []struct{ from, target float64 }{{float64(b.low.size), low}, {float64(b.high.size), high}}
	if above > below {
		slices.Reverse(sides)
	}
	for most := 4 * firstRounds; most <= mostRounds; most *= 2 { // where it is noisy, sizes further out help more than rounds
		for _, side := range sides {
			if size, ok = s.toward(b, side.from, side.target, most); ok {
				return size, true
			}
		}
	}
	return 0, false
}

// toward is a size between the end of a bracket and a target, as near to the target as one that has fewer than
// the most rounds. There is none if the end is at the target already.
func (s *search) toward(b bracket, from, target float64, most int) (size int64, ok bool) {
	inside := func(size int64) bool { return b.low.size < size && size < b.high.size }
	for {
		if from = max(1, from); (target-from)*(float64(b.high.size+b.low.size)/2-from) <= 0 || max(target/from, from/target) < sameSize {
			return 0, false
		}
		size = s.possible(target)
		for _, known := range s.sizes() { // an estimate that moves a little is no reason for another size
			if inside(known) && max(float64(known)/target, target/float64(known)) < sameSize {
				size = known
			}
		}
		if inside(size) && s.fresh[size] < most {
			return size, true
		}
		target = math.Sqrt(from * target)
	}
}

// found sums up what is known now.
func (s *search) found() Found {
	f := Found{Rounds: s.rounds}
	for _, size := range s.sizes() {
		f.Compared = append(f.Compared, Compared{size, s.compare(size)})
	}
	list := s.separated()
	for _, b := range brackets(list) {
		f.Crossovers = append(f.Crossovers, s.crossover(b))
	}
	if len(f.Crossovers) == 0 {
		c := Crossover{A: s.a.Strategy, B: s.b.Strategy, Note: s.note}
		if len(list) > 0 {
			c.Always = map[stat.Verdict]string{stat.AFaster: "a", stat.BFaster: "b"}[list[0].verdict]
		}
		f.Crossovers = append(f.Crossovers, c)
	}
	return f
}

// crossover is the one inside a bracket.
func (s *search) crossover(b bracket) Crossover {
	c := Crossover{
		A: s.a.Strategy, B: s.b.Strategy, Low: b.low.size, High: b.high.size,
		LowRatio: s.compare(b.low.size).Mid, HighRatio: s.compare(b.high.size).Mid,
	}
	if b.low.verdict == stat.BFaster {
		c.A, c.B, c.LowRatio, c.HighRatio = c.B, c.A, 1/c.LowRatio, 1/c.HighRatio
	}
	c.Bytes = min(c.High, max(c.Low, int64(math.Round(s.resampled(b)))))
	switch {
	case b.width() > s.o.Goal:
		c.Note = cmp.Or(s.note, s.between(b))
	case s.fresh[c.Low] == 0 || s.fresh[c.High] == 0:
		c.Note = s.note
	}
	return c
}

// between says why a bracket is wide though there were rounds left.
func (s *search) between(b bracket) string {
	if x := s.possible(middle(b.low.size, b.high.size)); x <= b.low.size || b.high.size <= x {
		return fmt.Sprintf("the payload has no size in the middle between %s and %s", stat.Size(b.low.size), stat.Size(b.high.size))
	}
	return fmt.Sprintf("they are not separated between %s and %s", stat.Size(b.low.size), stat.Size(b.high.size))
}
