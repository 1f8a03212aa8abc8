package cost

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"example.com/handoff/bench/stat"
)

const (
	tolerance = 1.25
	// mostVague is which factor is wrong however wide a model's band is.
	mostVague = 2
	beside    = 1.25 // factor between the ends of a crossover and the sizes below and above
	// insideTolerance is by which factor the ratio inside may be beyond those at the ends.
	insideTolerance = 1.1
	unseen          = 3 // sizes at which models are checked
	confirmed       = "confirmed"
)

// VerifyOptions say how a verification measures.
type VerifyOptions struct {
	// Min, Max and Possible are those of the search.
	Min, Max int64
	Possible func(bytes int64) int64
	// Tolerance is by which factor the medians of a machine may differ between
	// two minutes: a model is not called wrong for less. 0 is 1.25.
	Tolerance float64
	// Rounds is how many are measured at each size; 0 is 8. Where A and B are not
	// separated but should be, or a median contradicts a model and its interval
	// doesn't, there are more, up to 64.
	Rounds int
	// Afford is asked before rounds are measured; false ends the verification. nil: always true.
	Afford func(bytes int64, rounds int) bool
}

// A Verification is what was found at sizes that were measured afresh.
type Verification struct {
	Verdict string // "confirmed", "wrong by …" or "not confirmed: …"
	// Checks are of the models of A and B, at sizes that neither fit has seen,
	// ascending.
	Checks []Check
	Rounds int // that were measured
}

// A Check compares a model with what was measured afresh.
type Check struct {
	Strategy              string
	Bytes                 int64
	ModelNS               float64
	MeasuredNS            float64
	LowNS, HighNS         float64 // an interval for the measured median; 0 and +Inf for too few rounds
	OK                    bool
	expectLow, expectHigh float64 // what the model allows, with the tolerance
}

// Verify measures afresh and says whether a crossover and the models are right. c is one
// that Search has found for a and b; the caller stores the verdict in it.
//
// Below and above a crossover one strategy has to be separated as the faster, inside the
// ratio has to be between those at its ends. Without a crossover neither may be
// separated against what was found. At three sizes that no fit has seen, among them one between the least and one
// between the greatest that were fitted, the
// median of either strategy has to be within the model's band, widened by the
// tolerance, but to no more than a factor of two. Wrong is what a whole interval contradicts; the verdict
// names the worst of it. What rounds can't separate is "not confirmed".
func Verify(ctx context.Context, c Crossover, a, b Model, measure Measure, o VerifyOptions) (Verification, error) {
	v := &verifier{c: c, a: a, b: b, measure: measure, o: o}
	if err := v.begin(); err != nil {
		return Verification{}, err
	}
	err := v.run(ctx)
	slices.SortStableFunc(v.out.Checks, func(x, y Check) int { return cmp.Compare(x.Bytes, y.Bytes) })
	if err == nil {
		v.out.Verdict = v.verdict()
	}
	return v.out, err
}

// ModelVerdict is what the checks say of one strategy's model: "confirmed", "wrong by …", or "" without a check of it.
func ModelVerdict(checks []Check, strategy string) string {
	verdict, worst := "", 1.0
	for _, c := range checks {
		if c.Strategy != strategy {
			continue
		}
		if verdict == "" {
			verdict = confirmed
		}
		if f := c.factor(); !c.OK && f > worst {
			verdict, worst = "wrong by "+c.words(), f
		}
	}
	return verdict
}

type verifier struct {
	c       Crossover
	a, b    Model
	measure Measure
	o       VerifyOptions
	out     Verification
	wrong   string // the worst contradiction
	worst   float64
	open    []string // what is neither confirmed nor wrong
}

// begin checks the options and fills in what is left out.
func (v *verifier) begin() error {
	s := search{a: v.a, b: v.b, o: SearchOptions{Min: v.o.Min, Max: v.o.Max, Possible: v.o.Possible}}
	if err := s.begin(); err != nil {
		return err
	}
	v.o.Min, v.o.Max, v.o.Possible = s.o.Min, s.o.Max, s.o.Possible
	if v.o.Tolerance == 0 {
		v.o.Tolerance = tolerance
	}
	if !(v.o.Tolerance >= 1) {
		return fmt.Errorf("cost: %v is the tolerance, expected a factor of 1 or more", v.o.Tolerance)
	}
	if v.o.Rounds <= 0 {
		v.o.Rounds = firstRounds
	}
	if v.c.Bytes != 0 && (v.c.A != v.a.Strategy || v.c.B != v.b.Strategy) && (v.c.A != v.b.Strategy || v.c.B != v.a.Strategy) {
		return fmt.Errorf("cost: a crossover of %s and %s and models of %s and %s", v.c.A, v.c.B, v.a.Strategy, v.b.Strategy)
	}
	return nil
}

func (v *verifier) run(ctx context.Context) error {
	if v.c.Bytes != 0 {
		for _, at := range v.around() {
			r, err := v.compare(ctx, at.bytes, at.expect)
			if err != nil {
				return err
			}
			v.judge(r, at.expect)
		}
	}
	sizes := v.unseen()
	if len(sizes) < unseen {
		v.open = append(v.open, fmt.Sprintf("the payload has %d sizes that no fit has seen, expected %d", len(sizes), unseen))
	}
	for _, size := range sizes {
		if err := v.check(ctx, size); err != nil {
			return err
		}
	}
	return nil
}

// An expectation is a size and what a crossover says of it.
type expectation struct {
	bytes  int64
	expect stat.Verdict
}

// around are sizes below, inside and above the crossover. There is none inside if the payload has none.
func (v *verifier) around() []expectation {
	below := min(v.c.Low, v.possible(float64(v.c.Low)/beside))
	above := max(v.c.High, v.possible(float64(v.c.High)*beside))
	at := []expectation{{below, v.turned(stat.AFaster)}, {above, v.turned(stat.BFaster)}}
	if inside := v.possible(float64(v.c.Bytes)); v.c.Low < inside && inside < v.c.High {
		at = append(at, expectation{inside, stat.NotSeparated})
	}
	return at
}

// turned is a verdict in terms of a and b, whichever of them is the crossover's A.
func (v *verifier) turned(verdict stat.Verdict) stat.Verdict {
	if v.c.A == v.a.Strategy {
		return verdict
	}
	return map[stat.Verdict]stat.Verdict{stat.AFaster: stat.BFaster, stat.BFaster: stat.AFaster}[verdict]
}

func (v *verifier) possible(bytes float64) int64 {
	return v.o.Possible(min(v.o.Max, max(v.o.Min, int64(math.Round(bytes)))))
}

// rounds measures; nil without an error is that they could not be afforded.
func (v *verifier) rounds(ctx context.Context, bytes int64, n int) (r *Rounds, err error) {
	if v.o.Afford != nil && !v.o.Afford(bytes, n) {
		v.open = append(v.open, fmt.Sprintf("there was no time for %d rounds at %s", n, stat.Size(bytes)))
		return nil, nil
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	a, b, err := v.measure(ctx, bytes, n)
	if err == nil {
		err = paired(bytes, a, b)
	}
	if err != nil {
		return nil, err
	}
	v.out.Rounds += len(a)
	return &Rounds{bytes, a, b}, nil
}

// compare measures at a size, until one is separated as the faster if that is expected. nil
// without an error: it could not be afforded.
func (v *verifier) compare(ctx context.Context, bytes int64, expect stat.Verdict) (c *Compared, err error) {
	var all Rounds
	for n := v.o.Rounds; ; n = len(all.A) {
		r, err := v.rounds(ctx, bytes, n)
		if r == nil || err != nil {
			return c, err
		}
		all.A, all.B = append(all.A, r.A...), append(all.B, r.B...)
		c = &Compared{bytes, stat.Compare(all.A, all.B, lookAlpha)}
		if expect == stat.NotSeparated || c.Verdict != stat.NotSeparated || len(all.A) >= mostRounds {
			return c, nil
		}
	}
}

// judge compares what was measured at one of a crossover's sizes with what it says.
func (v *verifier) judge(c *Compared, expect stat.Verdict) {
	if c == nil || c.Verdict == expect {
		return
	}
	low, high := 1.0, 1.0 // of the ratio that is expected inside
	if expect == stat.NotSeparated {
		low, high = v.c.LowRatio/insideTolerance, v.c.HighRatio*insideTolerance
		if v.c.A != v.a.Strategy {
			low, high = 1/high, 1/low
		}
		if c.High >= low && c.Low <= high {
			return
		}
	} else if c.Verdict == stat.NotSeparated {
		v.open = append(v.open, fmt.Sprintf("%s and %s are not separated at %s by %d rounds",
			v.a.Strategy, v.b.Strategy, stat.Size(c.Bytes), c.Rounds))
		return
	}
	factor := max(low/c.Mid, c.Mid/high)
	says := "expected about the same"
	switch expect {
	case stat.AFaster:
		says = "expected " + v.a.Strategy + " to be the faster"
	case stat.BFaster:
		says = "expected " + v.b.Strategy + " to be the faster"
	}
	v.contradict(factor, fmt.Sprintf("%s at %s: %s took %s times as long as %s, %s",
		by(factor), stat.Size(c.Bytes), v.a.Strategy, stat.Number(c.Mid), v.b.Strategy, says))
}

func (v *verifier) contradict(factor float64, words string) {
	if factor > v.worst {
		v.wrong, v.worst = words, factor
	}
}

// check compares the models with what is measured at a size that they have not seen.
func (v *verifier) check(ctx context.Context, bytes int64) error {
	var all Rounds
	var checks []Check
	for n, open := v.o.Rounds, true; open; n = len(all.A) {
		r, err := v.rounds(ctx, bytes, n)
		if err != nil {
			return err
		}
		if r == nil {
			break
		}
		all.A, all.B = append(all.A, r.A...), append(all.B, r.B...)
		a, b := newCheck(v.a, bytes, all.A, v.o.Tolerance), newCheck(v.b, bytes, all.B, v.o.Tolerance)
		checks, open = []Check{a, b}, (a.open() || b.open()) && len(all.A) < mostRounds
	}
	for _, c := range checks {
		if !c.OK {
			v.contradict(c.factor(), c.words())
		}
	}
	v.out.Checks = append(v.out.Checks, checks...)
	if v.c.Bytes == 0 && len(checks) > 0 {
		v.judgeAlways(Compared{bytes, stat.Compare(all.A, all.B, lookAlpha)})
	}
	return nil
}

// judgeAlways compares what was measured at a size with what was said to hold at all.
func (v *verifier) judgeAlways(c Compared) {
	expect := map[string]stat.Verdict{"a": stat.AFaster, "b": stat.BFaster}[v.c.Always]
	if c.Verdict == stat.NotSeparated || c.Verdict == expect {
		return
	}
	factor := max(c.Mid, 1/c.Mid)
	v.contradict(factor, fmt.Sprintf("%s at %s: %s took %s times as long as %s",
		by(factor), stat.Size(c.Bytes), v.a.Strategy, stat.Number(c.Mid), v.b.Strategy))
}

func newCheck(m Model, bytes int64, ns []float64, tolerance float64) Check {
	p, i := m.Predict(bytes), stat.MedianInterval(ns, lookAlpha)
	if p.LowNS == 0 || math.IsInf(p.HighNS, 1) { // no band is known
		p.LowNS, p.HighNS = p.NS, p.NS
	}
	if band := m.bandAt(bytes); band*tolerance > mostVague {
		tolerance = mostVague / band
	}
	c := Check{
		Strategy: m.Strategy, Bytes: bytes, ModelNS: p.NS, MeasuredNS: i.Mid, LowNS: max(0, i.Low), HighNS: i.High,
		expectLow: p.LowNS / tolerance, expectHigh: p.HighNS * tolerance,
	}
	c.OK = c.HighNS >= c.expectLow && c.LowNS <= c.expectHigh
	return c
}

// open reports whether the median contradicts the model and the interval doesn't.
func (c Check) open() bool {
	return c.OK && !(c.expectLow <= c.MeasuredNS && c.MeasuredNS <= c.expectHigh)
}

// factor is how far the measured median is from the model.
func (c Check) factor() float64 { return max(c.MeasuredNS/c.ModelNS, c.ModelNS/c.MeasuredNS) }

func (c Check) words() string {
	return fmt.Sprintf("%s at %s: %s took %s, the model says %s",
		by(c.factor()), stat.Size(c.Bytes), c.Strategy, stat.Time(c.MeasuredNS), stat.Time(c.ModelNS))
}

// by writes a factor as a difference: "35.0 %", "4.20 times".
func by(factor float64) string {
	if factor < 2 {
		return stat.Percent(factor - 1)
	}
	return stat.Number(factor) + " times"
}

func (v *verifier) verdict() string {
	switch {
	case v.wrong != "":
		return "wrong by " + v.wrong
	case len(v.open) > 0:
		return "not confirmed: " + v.open[0]
	}
	return confirmed
}

// unseen are three sizes that neither fit has seen: in the first and in the last gap between the fitted
// sizes, and in the one nearest to the crossover. Fewer if the payload has no more.
func (v *verifier) unseen() (sizes []int64) {
	seen := slices.Concat([]int64{v.o.Min, v.o.Max}, v.a.Fitted, v.b.Fitted)
	slices.Sort(seen)
	seen = slices.Compact(seen)
	var middles []int64
	for i := 1; i < len(seen); i++ {
		x := v.possible(middle(seen[i-1], seen[i]))
		if !slices.Contains(seen, x) && !slices.Contains(middles, x) && v.o.Min < x && x < v.o.Max {
			middles = append(middles, x)
		}
	}
	for parts := 3; len(middles) < unseen && parts <= 8; parts++ { // few gaps: several sizes in one
		for i := 1; i < len(seen); i++ {
			for k := 1; k < parts; k++ {
				from, to := float64(max(1, seen[i-1])), float64(max(1, seen[i]))
				x := v.possible(from * math.Pow(to/from, float64(k)/float64(parts)))
				if len(middles) < unseen && !slices.Contains(seen, x) && !slices.Contains(middles, x) && v.o.Min < x && x < v.o.Max {
					middles = append(middles, x)
				}
			}
		}
	}
	slices.Sort(middles)
	if len(middles) <= unseen {
		return middles
	}
	near := len(middles) / 2
	if v.c.Bytes != 0 {
		far := func(i int) float64 { return math.Abs(math.Log(float64(middles[i]) / float64(v.c.Bytes))) }
		near = 1
		for i := 1; i < len(middles)-1; i++ {
			if far(i) < far(near) {
				near = i
			}
		}
	}
	return []int64{middles[0], middles[near], middles[len(middles)-1]}
}
