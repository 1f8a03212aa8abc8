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
		next[s.Name] = min(next[s.Name], t.most(s))
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
