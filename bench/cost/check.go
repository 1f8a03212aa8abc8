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
	unseen    = 3 // sizes at which models are checked
	confirmed = "confirmed"
)

// MeasureAll takes so many rounds of some strategies at a size, in the way in which the models'
// points were measured, and returns the times by strategy, in nanoseconds; those of an index are
// from the same round. A strategy that does not fit is left out. It may take more rounds than it was
// asked for.
type MeasureAll func(ctx context.Context, strategies []string, bytes int64, rounds int) (map[string][]float64, error)

// CheckOptions say how models are checked.
type CheckOptions struct {
	// Possible maps a wanted size to the nearest one that the payload can have. nil: every size.
	Possible func(bytes int64) int64
	// Near is the size near which one of the sizes should be, such as that of a crossover; 0: none.
	Near int64
	// Tolerance is by which factor the medians of a machine may differ between
	// two minutes: a model is not called wrong for less. 0 is 1.25.
	Tolerance float64
	// Rounds is how many are measured at each size; 0 is 8. Where a median contradicts a
	// model and its interval doesn't, there are more, up to 64.
	Rounds int
	// Afford is asked before rounds are measured; false leaves them out. nil: always true.
	Afford func(strategies []string, bytes int64, rounds int) bool
}

// Checked is what was found at sizes that no fit has seen.
type Checked struct {
	Checks []Check // by size, then in the order of the models
	// Measured are the times by strategy at each of the sizes, ascending.
	Measured []Measured
}

// Measured is the times of some strategies at one size; those of an index are from the same round.
type Measured struct {
	Bytes int64
	NS    map[string][]float64
}

// Between are the rounds of two strategies.
func (c Checked) Between(a, b string) (rounds []Rounds) {
	for _, m := range c.Measured {
		if m.NS[a] != nil && m.NS[b] != nil {
			rounds = append(rounds, Rounds{m.Bytes, m.NS[a], m.NS[b]})
		}
	}
	return rounds
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

// CheckModels measures afresh, at three sizes that no fit has seen: between the least two that
// were fitted, between the greatest two for which there is time, and in between. The median of a strategy has to be
// within its model's band, widened by the tolerance, but to no more than a factor of two. Wrong is
// what a whole interval contradicts. With an error there is also what was found before.
func CheckModels(ctx context.Context, models []Model, measure MeasureAll, o CheckOptions) (Checked, error) {
	var out Checked
	if o.Tolerance == 0 {
		o.Tolerance = tolerance
	}
	if !(o.Tolerance >= 1) {
		return out, fmt.Errorf("cost: %v is the tolerance, expected a factor of 1 or more", o.Tolerance)
	}
	if o.Rounds <= 0 {
		o.Rounds = firstRounds
	}
	if o.Possible == nil {
		o.Possible = func(bytes int64) int64 { return bytes }
	}
	if o.Afford == nil {
		o.Afford = func([]string, int64, int) bool { return true }
	}
	var err error
	for _, bytes := range unseenSizes(models, o.Possible, o.Near) {
		if len(out.Measured) == unseen || err != nil {
			break
		}
		err = out.check(ctx, models, bytes, measure, o)
	}
	slices.SortStableFunc(out.Checks, func(x, y Check) int { return cmp.Compare(x.Bytes, y.Bytes) })
	slices.SortFunc(out.Measured, func(x, y Measured) int { return cmp.Compare(x.Bytes, y.Bytes) })
	return out, err
}

// check adds what is found at a size; nothing if there is no time for it.
func (out *Checked) check(ctx context.Context, models []Model, bytes int64, measure MeasureAll, o CheckOptions) error {
	var names []string
	for _, m := range models {
		if m.covers(bytes) {
			names = append(names, m.Strategy)
		}
	}
	if names == nil {
		return nil
	}
	all := Measured{bytes, map[string][]float64{}}
	var checks []Check
	for n, open := o.Rounds, true; open && o.Afford(names, bytes, n); n *= 2 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		times, err := measure(ctx, names, bytes, n)
		if err != nil {
			return err
		}
		checks, open = nil, false
		for _, m := range models {
			ns := append(all.NS[m.Strategy], times[m.Strategy]...)
			if !m.covers(bytes) || ns == nil {
				continue
			}
			if i := slices.IndexFunc(ns, func(x float64) bool { return !(x > 0) || math.IsInf(x, 0) }); i >= 0 {
				return fmt.Errorf("cost: %s took %v ns at %s, expected a positive, finite time", m.Strategy, ns[i], stat.Size(bytes))
			}
			all.NS[m.Strategy] = ns
			c := m.check(bytes, ns, o.Tolerance)
			checks = append(checks, c)
			open = open || c.open() && len(ns) < mostRounds
		}
	}
	if checks != nil {
		out.Checks = append(out.Checks, checks...)
		out.Measured = append(out.Measured, all)
	}
	return nil
}

// covers reports whether a size is among those that were fitted.
func (m Model) covers(bytes int64) bool {
	return len(m.Fitted) > 0 && m.Fitted[0] <= bytes && bytes <= m.Fitted[len(m.Fitted)-1]
}

func (m Model) check(bytes int64, ns []float64, tolerance float64) Check {
	p, i := m.Predict(bytes), stat.MedianInterval(ns, lookAlpha)
	band := m.bandAt(bytes)
	switch {
	case m.Band == 0: // too few sizes to know
		p.LowNS, p.HighNS, tolerance = p.NS, p.NS, mostVague
	case band*tolerance > mostVague:
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

// by writes a factor as a difference: "35.0 %", or from 2 on as it is: "a factor of 4.20".
func by(factor float64) string {
	if factor < 2 {
		return stat.Percent(factor - 1)
	}
	return "a factor of " + stat.Number(factor)
}

// ModelVerdict is what the checks say of one strategy's model: "confirmed", "wrong by …", "not confirmed: …" where there was
// a check at fewer than three sizes, or "" where there was none.
func ModelVerdict(checks []Check, strategy string) string {
	sizes, wrong, worst := 0, "", 1.0
	for _, c := range checks {
		if c.Strategy != strategy {
			continue
		}
		sizes++
		if f := c.factor(); !c.OK && f > worst {
			wrong, worst = "wrong by "+c.words(), f
		}
	}
	switch {
	case wrong != "":
		return wrong
	case sizes == 0:
		return ""
	case sizes < unseen:
		return fmt.Sprintf("not confirmed: measured afresh at %d of %d sizes", sizes, unseen)
	}
	return confirmed
}

// unseenSizes are sizes that no fit has seen, in the order in which they are worth a check: in the first gap between the
// fitted sizes, near a size or in the middle, and the others from the largest down.
func unseenSizes(models []Model, possible func(int64) int64, near int64) []int64 {
	var seen []int64
	for _, m := range models {
		seen = append(seen, m.Fitted...)
	}
	slices.Sort(seen)
	seen = slices.Compact(seen)
	var sizes []int64
	for parts := 2; len(sizes) < unseen && parts <= 8; parts++ { // few gaps: several sizes in one
		for i := 1; i < len(seen); i++ {
			for k := 1; k < parts; k++ {
				from, to := float64(max(1, seen[i-1])), float64(max(1, seen[i]))
				x := possible(int64(math.Round(from * math.Pow(to/from, float64(k)/float64(parts)))))
				if !slices.Contains(seen, x) && !slices.Contains(sizes, x) && seen[0] < x && x < seen[len(seen)-1] && (parts == 2 || len(sizes) < unseen) {
					sizes = append(sizes, x)
				}
			}
		}
	}
	slices.Sort(sizes)
	if len(sizes) <= unseen {
		return sizes
	}
	middle := len(sizes) / 2
	if near != 0 {
		far := func(i int) float64 { return math.Abs(math.Log(float64(sizes[i]) / float64(near))) }
		middle = 1
		for i := 2; i < len(sizes)-1; i++ {
			if far(i) < far(middle) {
				middle = i
			}
		}
	}
	order := []int64{sizes[0], sizes[middle]}
	for i, x := range slices.Backward(sizes) {
		if i != 0 && i != middle {
			order = append(order, x)
		}
	}
	return order
}
