package tune

import (
	"context"
	"maps"
)

// widen doubles the bottleneck on for as long as that pays.
func (t *tuner) widen(ctx context.Context, s Stage, start Widths, alone []Comparison) error {
	steps := []Comparison{alone[t.best(alone)]}
	now := steps[0].To
	for {
		next := double(now, s.Name)
		next[s.Name] = min(next[s.Name], t.widest(s))
		if next[s.Name] == now[s.Name] {
			break
		}
		c, err := t.step(ctx, s, now, next)
		if err != nil {
			return err
		}
		steps = append(steps, c)
		if c.Verdict != Faster {
			break
		}
		now = next
	}
	t.widened(s, start, now, steps, alone)
	return nil
}

// narrow halves a stage that is wide enough for as long as that costs nothing.
func (t *tuner) narrow(ctx context.Context, s Stage, start Widths, alone []Comparison) error {
	least := start
	var last Comparison
	for least[s.Name] > 1 {
		less := maps.Clone(least)
		less[s.Name] /= 2
		c, err := t.step(ctx, s, less, start) // always with the best, or small losses add up
		if err != nil {
			return err
		}
		if last = c; c.Verdict != NoFaster {
			break
		}
		least = less
	}
	t.narrowed(s, least, last, alone[0])
	return nil
}

func (t *tuner) step(ctx context.Context, s Stage, from, to Widths) (Comparison, error) {
	list, err := t.compare(ctx, []variant{{stepWords(s.Name, from, to), from, to}})
	if err != nil {
		return Comparison{}, err
	}
	return list[0], nil
}

// mostSteps bounds the comparisons of the experiment, for Progress.Done.
func (t *tuner) mostSteps() int {
	most := 1
	if len(t.stages) > 1 {
		most = 3 // all together, and each left out
	}
	for _, s := range t.stages {
		widen, narrow := 0, 0
		for w := 2 * s.Width; w < t.widest(s); w *= 2 {
			widen++
		}
		for w := s.Width; w > 1 && len(t.stages) == 1; w /= 2 {
			narrow++
		}
		most = max(most, 1+widen, 1+narrow)
	}
	return most
}
