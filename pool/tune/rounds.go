package tune

import (
	"context"
	"fmt"
	"maps"
	"math"
	"time"

	"example.com/handoff/bench/stat"
)

// A variant is compared with what it is a change of.
type variant struct {
	change   string
	from, to Widths
}

// A schedule says after which rounds a comparison is looked at, and how sure each look
// must be.
type schedule struct {
	looks []int
	alpha float64 // of each look, each variant and each side
}

// planFor plans comparisons of so many variants, in at most so many rounds; 0: the
// default. Bonferroni's inequality is good enough here: an effect that is outside
// the noise is so by far.
func planFor(variants, rounds int) (schedule, error) {
	const looks = 3
	alpha := errorRate / float64(variants)
	need := stat.LeastPairs(alpha / looks)
	switch {
	case rounds == 0:
		rounds = 3 * need
	case rounds < stat.LeastPairs(alpha):
		return schedule{}, fmt.Errorf("%d rounds cannot tell anything from noise: expected %d or more for so many stages", rounds, stat.LeastPairs(alpha))
	case rounds <= need+1:
		return schedule{[]int{rounds}, alpha}, nil
	}
	middle := int(math.Round(math.Sqrt(float64(need * rounds))))
	return schedule{[]int{need, middle, rounds}, alpha / looks}, nil
}

func (p schedule) most() int { return p.looks[len(p.looks)-1] }

// compare makes rounds until each variant is judged, or there were enough.
func (t *tuner) compare(ctx context.Context, variants []variant) ([]Comparison, error) {
	t.steps++
	pairs := make([]pairs, len(variants))
	judged := make([]Comparison, len(variants))
	for i, v := range variants {
		judged[i] = Comparison{Change: v.change, From: v.from, To: v.to, Verdict: Unclear}
	}
	open := len(variants)
	for round, look := 1, 0; open > 0 && look < len(t.plan.looks); round++ {
		walls, err := t.round(ctx, variants, judged, round)
		if err != nil {
			return nil, err
		}
		for i, v := range variants {
			if judged[i].Verdict == Unclear {
				pairs[i].add(walls.of(v.from), walls.of(v.to))
			}
		}
		if round < t.plan.looks[look] {
			continue
		}
		look++
		for i := range judged {
			if judged[i].Verdict == Unclear && judged[i].judge(pairs[i], t.plan.alpha, t.opts.MinGain) {
				open--
			}
		}
	}
	t.report.Comparisons = append(t.report.Comparisons, judged...)
	return judged, nil
}

// pairs are the runs of a comparison, a pair in each round.
type pairs struct {
	gains         []float64 // log of before over after
	before, after []time.Duration
}

func (p *pairs) add(before, after time.Duration) {
	p.gains = append(p.gains, math.Log(float64(before)/float64(after)))
	p.before, p.after = append(p.before, before), append(p.after, after)
}

// walls are the runs of one round.
type walls []struct {
	widths Widths
	doing  string
	wall   time.Duration
}

// of is the wall-clock with these widths; 0 if they are not among them.
func (r walls) of(w Widths) time.Duration {
	for _, run := range r {
		if maps.Equal(run.widths, w) {
			return run.wall
		}
	}
	return 0
}

// round runs everything that is still needed once, in random order.
func (t *tuner) round(ctx context.Context, variants []variant, judged []Comparison, round int) (walls, error) {
	var runs walls
	for i, v := range variants {
		if judged[i].Verdict != Unclear {
			continue
		}
		for _, w := range []Widths{v.from, v.to} {
			if runs.of(w) == 0 {
				runs = append(runs, walls{{w, v.change, 1}}...)
			}
		}
	}
	t.random.Shuffle(len(runs), func(i, j int) { runs[i], runs[j] = runs[j], runs[i] })
	for i := range runs {
		r := &runs[i]
		t.progress(r.doing, round, t.plan.most())
		var err error
		if r.wall, err = t.once(ctx, r.widths); err != nil {
			return nil, err
		}
		t.report.add(r.widths, r.wall)
	}
	return runs, nil
}

// once is one run of the job.
func (t *tuner) once(ctx context.Context, w Widths) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	wall, err := t.job(ctx, maps.Clone(w))
	if err == nil && wall <= 0 {
		err = fmt.Errorf("the job says that it took %v", wall)
	}
	if err != nil {
		return 0, fmt.Errorf("tune: a run with %s: %w", t.report.words(w), err)
	}
	return wall, nil
}

func (t *tuner) progress(doing string, round, most int) {
	t.runs++
	if t.opts.Progress == nil {
		return
	}
	done := (float64(max(t.steps-1, 0)) + float64(round-1)/float64(most)) / float64(t.most)
	t.opts.Progress(Progress{Doing: doing, Run: t.runs, Round: round, Most: most, Done: done})
}

// judge reports whether the pairs are enough for a verdict. In no case is the estimate
// outside the bounds.
func (c *Comparison) judge(p pairs, alpha, minGain float64) bool {
	gain := stat.MedianInterval(p.gains, alpha)
	c.Rounds, c.Low, c.Gain, c.High = len(p.gains), math.Exp(gain.Low), math.Exp(gain.Mid), math.Exp(gain.High)
	c.Before, c.After = quantile(p.before, 0.5), quantile(p.after, 0.5)
	switch {
	case c.Low > 1 && c.Gain >= 1+minGain:
		c.Verdict = Faster
	case c.High < 1+minGain:
		c.Verdict = NoFaster
	}
	return c.Verdict != Unclear
}
