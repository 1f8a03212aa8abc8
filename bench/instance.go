package bench

import (
	"fmt"
	"math"
	"runtime"
)

// An instance is a payload's value of one size, and the answers that are right for it.
type instance struct {
	p     *payload
	touch Touch
	fitting
	v any // *T
	stamps
	// truth are the right answers, by the state of the stamps.
	truth  [4]uint64
	round  int
	gobbed *gobbed // nil until a gob strategy has asked
}

// instance makes the value for a size in bytes, and contains what methods of it and the
// user's function do.
func (p *payload) instance(bytes int64, touch Touch) (in *instance, err error) {
	defer func() {
		if why := recover(); why != nil {
			in, err = nil, fmt.Errorf("payload %q: reading a value of %s panics: %v", p.name, FormatSize(bytes), why)
		}
	}()
	if touch == TouchFunc && p.touch.run == nil {
		return nil, fmt.Errorf("payload %q: touch %q, and it has no function (Payload.WithFunc)", p.name, touch)
	}
	found, err := p.find(bytes)
	if err != nil {
		return nil, err
	}
	in = &instance{p: p, touch: touch, fitting: found}
	if in.v, err = p.generate(in.n); err != nil {
		return nil, err
	}
	if err := in.repeats(); err != nil {
		return nil, err
	}
	in.stamps = stampsOf(in.v, touch)
	if in.truth, err = in.answers(in.v, &in.stamps); err == nil && touch == TouchFunc {
		err = in.functionRepeats()
	}
	if err != nil {
		return nil, fmt.Errorf("payload %q: n = %d: %w", p.name, in.n, err)
	}
	return in, nil
}

// repeats calls the generator once more and compares.
func (in *instance) repeats() error {
	first, err := in.p.touch.of(in.v, TouchSum)
	if err != nil {
		return fmt.Errorf("payload %q: n = %d: %w", in.p.name, in.n, err)
	}
	again, err := in.p.generate(in.n)
	if err != nil {
		return err
	}
	second, err := in.p.touch.of(again, TouchSum)
	again = nil
	if in.bytes > muchGarbage {
		runtime.GC()
	}
	if err == nil && first != second {
		err = fmt.Errorf("payload %q: the generator returns different values for n = %d, expected the same", in.p.name, in.n)
	}
	return err
}

// answers are those for v in all states of its stamps.
func (in *instance) answers(v any, s *stamps) (truth [4]uint64, err error) {
	for state := range truth {
		s.set(state)
		if truth[state], err = in.p.touch.of(v, in.touch); err != nil {
			return truth, err
		}
	}
	s.set(0)
	return truth, nil
}

// functionRepeats calls the user's function once more and compares.
func (in *instance) functionRepeats() error {
	again, err := in.p.touch.of(in.v, TouchFunc)
	if err == nil && again != in.truth[0] {
		err = fmt.Errorf("the function of WithFunc answers %v and then %v for the same value, expected the same bits",
			math.Float64frombits(in.truth[0]), math.Float64frombits(again))
	}
	return err
}

// restamp begins a round.
func (in *instance) restamp() { in.round ^= 1 }
