package cost

import (
	"context"
	"fmt"
	"math"

	"example.com/handoff/bench/stat"
)

const (
	beside = 1.25 // factor between the ends of a crossover and the sizes below and above
	// aboutSame is by which factor a ratio may be beyond what was found without being wrong for that: two
	// minutes of a machine differ by less.
	aboutSame = 1.1
)

// VerifyOptions say how a crossover is verified.
type VerifyOptions struct {
	// Min and Max bound the sizes; a Max of 0 doesn't.
	Min, Max int64
	// Possible is that of the search.
	Possible func(bytes int64) int64
	// Rounds is how many are measured at each size; 0 is 8. Where A and B are not
	// separated but should be, there are more, up to 64.
	Rounds int
	// Afford is asked before rounds are measured; false ends the verification. nil: always true.
	Afford func(bytes int64, rounds int) bool
	// Fresh are rounds that were measured after the search, anywhere. By them it is judged that
	// A and B don't cross.
	Fresh []Rounds
}

// A Verification is what was found at sizes that were measured afresh.
type Verification struct {
	Verdict string // "confirmed", "wrong by …" or "not confirmed: …"
	Rounds  int    // that were measured
}

// Verify measures afresh and says whether a crossover is right: below and above it one strategy has to
// be separated as the faster, inside the ratio has to be between those at its ends. Without a
// crossover nothing is measured, and in the fresh rounds neither may be faster, by more than a tenth, against what was
// found. Wrong is what a whole interval contradicts; the verdict names the worst of it. What rounds can't separate is
// "not confirmed". The caller stores the verdict in c.
func Verify(ctx context.Context, c Crossover, measure Measure, o VerifyOptions) (Verification, error) {
	if o.Min < 0 || o.Max < 0 || o.Max != 0 && o.Max < o.Min {
		return Verification{}, fmt.Errorf("cost: a verification from %d to %d bytes, expected a range of sizes", o.Min, o.Max)
	}
	if o.Max == 0 {
		o.Max = math.MaxInt64
	}
	if o.Possible == nil {
		o.Possible = func(bytes int64) int64 { return bytes }
	}
	if o.Rounds <= 0 {
		o.Rounds = firstRounds
	}
	v := &verifier{c: c, measure: measure, o: o}
	if c.Bytes == 0 {
		if err := v.always(); err != nil {
			return v.out, err
		}
	} else {
		for _, at := range v.around() {
			r, err := v.compare(ctx, at.bytes, at.expect)
			if err != nil {
				return v.out, err
			}
			v.judge(r, at.expect)
		}
	}
	v.out.Verdict = v.verdict()
	return v.out, nil
}

type verifier struct {
	c       Crossover
	measure Measure
	o       VerifyOptions
	out     Verification
	wrong   string // the worst contradiction
	worst   float64
	open    []string // what is neither confirmed nor wrong
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
	at := []expectation{{below, stat.AFaster}, {above, stat.BFaster}}
	if inside := v.possible(float64(v.c.Bytes)); v.c.Low < inside && inside < v.c.High {
		at = append(at, expectation{inside, stat.NotSeparated})
	}
	return at
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
		low, high = v.c.LowRatio/aboutSame, v.c.HighRatio*aboutSame
		if c.High >= low && c.Low <= high {
			return
		}
	} else if c.Verdict == stat.NotSeparated {
		v.open = append(v.open, fmt.Sprintf("%s and %s are not separated at %s by %d rounds",
			v.c.A, v.c.B, stat.Size(c.Bytes), c.Rounds))
		return
	}
	factor := max(low/c.Mid, c.Mid/high)
	says := "expected about the same"
	switch expect {
	case stat.AFaster:
		says = "expected " + v.c.A + " to be the faster"
	case stat.BFaster:
		says = "expected " + v.c.B + " to be the faster"
	}
	v.contradict(factor, fmt.Sprintf("%s at %s: %s took %s times as long as %s, %s",
		by(factor), stat.Size(c.Bytes), v.c.A, stat.Number(c.Mid), v.c.B, says))
}

func (v *verifier) contradict(factor float64, words string) {
	if factor > v.worst {
		v.wrong, v.worst = words, factor
	}
}

// always compares the fresh rounds with what was said to hold at all sizes.
func (v *verifier) always() error {
	expect := map[string]stat.Verdict{"a": stat.AFaster, "b": stat.BFaster}[v.c.Always]
	for _, r := range v.o.Fresh {
		if err := paired(r.Bytes, r.A, r.B); err != nil {
			return err
		}
		c := Compared{r.Bytes, stat.Compare(r.A, r.B, lookAlpha)}
		if c.Verdict == expect || c.Low <= aboutSame && c.High >= 1/aboutSame {
			continue
		}
		factor := max(c.Mid, 1/c.Mid)
		v.contradict(factor, fmt.Sprintf("%s at %s: %s took %s times as long as %s",
			by(factor), stat.Size(c.Bytes), v.c.A, stat.Number(c.Mid), v.c.B))
	}
	if len(v.o.Fresh) < unseen {
		v.open = append(v.open, fmt.Sprintf("measured afresh at %d of %d sizes", len(v.o.Fresh), unseen))
	}
	return nil
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
