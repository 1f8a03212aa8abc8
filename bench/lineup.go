package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"time"

	"example.com/handoff/bench/internal/cores"
	"example.com/handoff/bench/stat"
)

const (
	muchGarbage = 1 << 20 // bytes
	// canaryTime is about what 200 round trips between two cores take.
	canaryTime = 50 * time.Microsecond
)

// A lineup is strategies that are loaded with payloads of one size and warm.
type lineup struct {
	bytes    int64
	p        *instance
	left     []LeftOut // strategies that the value does not fit
	samplers []*sampler
	canaries []float64    // by round; none on one core
	taken    func() taken // from the cores since the beginning
	random   *rand.Rand   // draws the orders
}

// newLineup loads the carriers and lets each hand over for a while. say is told what is
// being done.
func newLineup(ctx context.Context, carriers []carrier, p *instance, say func(text string)) (_ *lineup, err error) {
	runtime.GC()
	l := &lineup{bytes: p.bytes, p: p, taken: taking(processes(carriers)), random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	for _, c := range carriers {
		say(c.strategy() + " " + FormatSize(l.bytes))
		s, err := newSampler(c, l.p)
		if why := unfitError(""); errors.As(err, &why) {
			l.left = append(l.left, LeftOut{Strategy: c.strategy(), Bytes: l.bytes, Why: string(why)})
			continue
		}
		if err != nil {
			return nil, l.fault(c, err)
		}
		l.samplers = append(l.samplers, s)
		if err := l.do(ctx, s, (*sampler).warm); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// processes are this one and the carriers' peers.
func processes(carriers []carrier) []int {
	pids := []int{os.Getpid()}
	for _, c := range carriers {
		if pid := c.pid(); pid != 0 && !slices.Contains(pids, pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

func (l *lineup) fault(c carrier, err error) error {
	return fmt.Errorf("bench: %s at %s: %w", c.strategy(), FormatSize(l.bytes), err)
}

// do does one thing with a sampler and names it in the error.
func (l *lineup) do(ctx context.Context, s *sampler, f func(*sampler, context.Context) error) error {
	if err := f(s, ctx); err != nil {
		return l.fault(s.c, err)
	}
	if s.garbage() > muchGarbage {
		runtime.GC()
	}
	return nil
}

// each does one thing with every sampler.
func (l *lineup) each(ctx context.Context, say func(text string), f func(*sampler, context.Context) error) error {
	for _, s := range l.samplers {
		say(s.c.strategy() + " " + FormatSize(l.bytes))
		if err := l.do(ctx, s, f); err != nil {
			return err
		}
	}
	return nil
}

// round takes a sample of each strategy, in the given order.
func (l *lineup) round(ctx context.Context, order []int) error {
	l.p.restamp()
	for _, i := range order {
		if err := l.do(ctx, l.samplers[i], (*sampler).take); err != nil {
			return err
		}
	}
	if ns := cores.Canary(canaryTime); ns > 0 {
		l.canaries = append(l.canaries, ns)
	}
	return nil
}

// rounds takes blocks of rounds, in each of which every strategy is in every position
// once, until more says that it is enough.
func (l *lineup) rounds(ctx context.Context, more func(rounds int) bool) error {
	for rounds := 0; len(l.samplers) > 0 && more(rounds); {
		for _, order := range stat.Latin(len(l.samplers), l.random) {
			if err := l.round(ctx, order); err != nil {
				return err
			}
			rounds++
		}
	}
	return nil
}

// cost is about what a round takes.
func (l *lineup) cost() (d time.Duration) {
	for _, s := range l.samplers {
		d += sampleTakes(s.one)
	}
	return d
}

// shorten gives up the dearest strategies until the fewest rounds fit into a time, and
// says which.
func (l *lineup) shorten(within time.Duration) (left []LeftOut, err error) {
	for len(l.samplers) > 2 {
		rounds := stat.Rounds(len(l.samplers), 0)
		need := time.Duration(rounds) * l.cost()
		if need <= within {
			break
		}
		dearest := slices.MaxFunc(l.samplers, func(a, b *sampler) int { return cmp.Compare(a.one, b.one) })
		left = append(left, LeftOut{Strategy: dearest.c.strategy(), Bytes: l.bytes, Why: fmt.Sprintf(
			"one handoff takes %s, and %d rounds of %d strategies would have taken %s of the %s that were left",
			stat.Time(float64(dearest.one)), rounds, len(l.samplers), stat.Time(float64(need)), stat.Time(float64(max(0, within))))})
		l.samplers = slices.DeleteFunc(l.samplers, func(s *sampler) bool { return s == dearest })
		if err := dearest.c.unload(); err != nil {
			return left, l.fault(dearest.c, err)
		}
	}
	return left, nil
}

// results are those of all strategies, with the conditions of their rounds.
func (l *lineup) results(usual stat.Range) (results []Result) {
	taken := l.taken()
	for _, s := range l.samplers {
		r := s.result()
		r.Conditions = s.conditions(l.canaries, usual, taken)
		results = append(results, r)
	}
	return results
}

// close unloads the strategies.
func (l *lineup) close() (err error) {
	for _, s := range l.samplers {
		err = errors.Join(err, s.c.unload())
	}
	l.samplers = nil
	l.p.stamps.set(0) // the value may be the generator's, and handed out again
	return err
}
