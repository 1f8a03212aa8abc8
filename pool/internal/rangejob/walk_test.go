package rangejob

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/wire"
)

// A walk is a job between a pool and workers that do one thing at a time: take the next
// block or part, report what they have, or make way for others. Beside that a few of them
// die, overrun or lack resources, and somebody stores to the counter.
type walk struct {
	*Job
	next    uint32
	stopped bool
	pending []*Share
	workers []*walkWorker
	over    bool
	strayed bool
	failed  Kind // why, if it has failed
	walkRules
}

type walkRules struct {
	workers, n, grain, quarantine, attempts int
	kills, overruns, stray, short, yields   int // that may still come
}

type walkWorker struct {
	lane   []*Share // the first one is begun if began says so
	began  bool
	busy   bool // it has block, or the part
	block  uint32
	claim  uint32
	joined bool
}

type walkEvent struct {
	what   string
	worker int
}

func newWalk(rules walkRules) *walk {
	w := &walk{Job: New(Config{
		Name: "f", N: rules.n, Grain: rules.grain, Workers: rules.workers, Quarantine: rules.quarantine, Attempts: rules.attempts, Results: true,
	}), walkRules: rules}
	for range rules.workers {
		w.workers = append(w.workers, &walkWorker{claim: wire.AnyBlock})
	}
	w.dispatch()
	return w
}

// carryOut does what the job says, and gives out what is pending.
func (w *walk) carryOut(settle bool) {
	for {
		c, more := w.Next()
		switch {
		case more:
			w.command(c)
		case settle:
			settle = false
			w.Settle(w.next)
		default:
			w.dispatch()
			return
		}
	}
}

func (w *walk) command(c Command) {
	switch c.Kind {
	case Give:
		w.checkGive(&c.Share)
		w.pending = slices.Insert(w.pending, 0, &c.Share)
	case Stop:
		w.stopped = true
	case Withdraw, WithdrawParts:
		of := func(s *Share) bool {
			withdrawn := c.Kind == Withdraw || s.Block == wire.PartOfBlock && s.Of == c.Block
			if withdrawn {
				w.Withdrawn()
			}
			return withdrawn
		}
		w.pending = slices.DeleteFunc(w.pending, of)
		for _, u := range w.workers {
			begun := 0
			if u.began {
				begun = 1
			}
			u.lane = append(u.lane[:begun:begun], slices.DeleteFunc(slices.Clone(u.lane[begun:]), of)...)
		}
	case FailDeath, FailQuarantine:
		w.failed = c.Kind
	case End:
		w.over = true
	}
}

// checkGive looks whether a share may be given out: the job has not failed, and nobody has
// the same already, but where somebody has written to the counter.
func (w *walk) checkGive(s *Share) {
	given := slices.Clone(w.pending)
	for _, u := range w.workers {
		given = append(given, u.lane...)
		if u.busy && u.lane[0].Block == wire.AnyBlock {
			given = append(given, &Share{Block: u.block})
		}
	}
	twice := slices.ContainsFunc(given, func(o *Share) bool {
		return o.Block == s.Block && (s.Block != wire.PartOfBlock || o.Of == s.Of && o.Lo < s.Hi && s.Lo < o.Hi) ||
			s.Block != wire.PartOfBlock && o.Block == wire.PartOfBlock && o.Of == s.Block
	})
	if w.Job.failed || twice && !w.strayed {
		panic(fmt.Sprintf("%+v is given out: failed %v, twice %v", *s, w.Job.failed, twice))
	}
}

func (w *walk) dispatch() {
	for _, s := range w.pending {
		if s.Block == wire.PartOfBlock && w.done.has(s.Of) {
			panic(fmt.Sprintf("%+v waits and its block is done", *s))
		}
	}
	for ; len(w.pending) > 0; w.pending = w.pending[1:] {
		u := slices.MinFunc(w.workers, func(a, b *walkWorker) int { return len(a.lane) - len(b.lane) })
		u.lane = append(u.lane, w.pending[0])
	}
	for _, u := range w.workers {
		if w.Open(w.next) && !u.joined {
			u.joined = true
			w.Joined()
			u.lane = append(u.lane, &Share{Block: wire.AnyBlock})
		}
	}
}

// events are what can come next. The job is stuck if a worker can do nothing.
func (w *walk) events() (all []walkEvent, stuck bool) {
	stuck = true
	for i, u := range w.workers {
		if u.busy {
			all, stuck = append(all, walkEvent{"report", i}), false
			if w.kills > 0 {
				all = append(all, walkEvent{"kill", i})
			}
			if w.overruns > 0 {
				all = append(all, walkEvent{"overrun", i})
			}
			continue
		}
		if len(u.lane) == 0 {
			continue
		}
		all, stuck = append(all, walkEvent{"take", i}), false
		if w.short > 0 && !u.began {
			all = append(all, walkEvent{"short", i})
		}
		if w.yields > 0 && u.began {
			all = append(all, walkEvent{"yield", i})
		}
		if w.kills > 0 && u.began {
			all = append(all, walkEvent{"kill", i})
		}
	}
	if w.stray > 0 && w.next > 0 {
		all = append(all, walkEvent{what: "stray"})
	}
	return all, stuck
}

func (w *walk) do(t testing.TB, e walkEvent) {
	switch u := w.workers[e.worker]; e.what {
	case "take":
		w.take(t, u)
	case "report":
		s := u.lane[0]
		block, lo, hi := u.block, 0, 0
		lo, hi = w.At(s, block)
		u.busy = false
		_, err := w.Result(s, block, []byte{byte(lo), byte(hi)})
		require.NoError(t, err)
		if s.Block != wire.AnyBlock {
			w.end(t, u)
		}
	case "yield":
		w.yields--
		w.end(t, u)
	case "short":
		w.short--
		w.Short()
		s := u.lane[0]
		u.lane = u.lane[1:]
		w.Revoked(s)
		w.requeue(u)
	case "kill":
		w.kills--
		w.die(u, false)
	case "overrun":
		w.overruns--
		w.die(u, true)
	case "stray":
		w.stray--
		w.next, w.strayed = 0, true
	}
	w.carryOut(true)
}

func (w *walk) take(t testing.TB, u *walkWorker) {
	s := u.lane[0]
	u.began = true
	if s.Block != wire.AnyBlock {
		u.block, u.busy = s.Block, true
		return
	}
	if w.stopped || int(w.next) >= w.Blocks() {
		u.claim = wire.AnyBlock
		w.end(t, u)
		return
	}
	u.block, u.claim, u.busy = w.next, w.next, true
	w.next++
}

func (w *walk) end(t testing.TB, u *walkWorker) {
	s := u.lane[0]
	u.lane, u.began, u.claim = u.lane[1:], false, wire.AnyBlock
	if s.Block == wire.AnyBlock {
		u.joined = false
	}
	require.NoError(t, w.Unreported(s))
	w.Finished(s, len(w.workers))
}

// requeue is that what waits for a worker goes to others, and that another comes in its
// place.
func (w *walk) requeue(u *walkWorker) {
	for _, s := range slices.Backward(u.lane) {
		if s.Block == wire.AnyBlock {
			w.Withdrawn()
		} else {
			w.pending = slices.Insert(w.pending, 0, s)
		}
	}
	*u = walkWorker{claim: wire.AnyBlock}
}

func (w *walk) die(u *walkWorker, overran bool) {
	s, claim := u.lane[0], u.claim
	u.lane = u.lane[1:]
	w.requeue(u)
	w.Died(s, claim, overran)
	w.carryOut(false)
	if s.Block == wire.AnyBlock {
		var claims []uint32
		for _, u := range w.workers {
			claims = append(claims, u.claim)
		}
		w.Recovered(w.next, claims)
	}
}

// state says in which ways w differs from other walks.
func (w *walk) state() string {
	s := fmt.Sprint(w.next, w.stopped, w.walkRules, w.shares, w.done, w.left, w.given, w.losses, w.splits, w.quarantined, w.emptyShares, w.counterCorrupt, w.failed)
	for _, p := range w.pending {
		s += fmt.Sprint(" ", *p)
	}
	for _, u := range w.workers {
		s += fmt.Sprint(" worker ", u.began, u.busy, u.block, u.claim, u.joined)
		for _, p := range u.lane {
			s += fmt.Sprint(" ", *p)
		}
	}
	return s
}

// wrong is what is wrong with a job that is over.
func (w *walk) wrong() error {
	at, left := 0, w.Quarantined()
	for _, result := range w.Results() {
		part, _ := result.([]byte)
		for len(left) > 0 && left[0] == at {
			at, left = at+1, left[1:]
		}
		if len(part) != 2 || int(part[0]) != at {
			return fmt.Errorf("indices %v follow, expected %d", part, at)
		}
		at = int(part[1])
	}
	if at+len(left) != w.n {
		return fmt.Errorf("it ends at %d of %d", at, w.n)
	}
	for b := range w.splits {
		if w.quarantine == 0 && w.losses[b].overruns < 2 {
			return fmt.Errorf("block %d was split after %d overruns", b, w.losses[b].overruns)
		}
	}
	return nil
}

// In every order of what workers do, of deaths, overruns and a store to the counter, the
// job ends, each index counts once, no block is split that was not to be, and none fails
// that has lost fewer attempts than it has.
func TestWalk(t *testing.T) {
	const many = 100
	for name, rules := range map[string]walkRules{
		"kills":                   {workers: 2, n: 6, grain: 2, attempts: many, kills: 2, yields: 1},
		"kills, three workers":    {workers: 3, n: 4, grain: 2, attempts: many, kills: 2},
		"kills that are too many": {workers: 2, n: 4, grain: 2, attempts: 2, kills: 3},
		"overruns":                {workers: 2, n: 4, grain: 2, attempts: many, overruns: 3},
		"overruns, too many":      {workers: 2, n: 2, grain: 2, attempts: 2, overruns: 5},
		"overruns, stray":         {workers: 2, n: 2, grain: 2, attempts: many, overruns: 3, stray: 1},
		"overrun, kill, stray":    {workers: 2, n: 2, grain: 2, attempts: many, overruns: 2, kills: 1, stray: 1},
		"shortage":                {workers: 2, n: 4, grain: 2, attempts: many, kills: 1, short: 2},
		"quarantine":              {workers: 2, n: 4, grain: 2, attempts: many, quarantine: 2, kills: 3},
		"quarantine, stray":       {workers: 2, n: 2, grain: 2, attempts: many, quarantine: 2, kills: 4, stray: 1},
		"quarantine, too many":    {workers: 2, n: 2, grain: 2, attempts: many, quarantine: 1, kills: 5},
	} {
		t.Run(name, func(t *testing.T) {
			type path []walkEvent
			seen, over, failed := map[string]bool{}, 0, 0
			for todo := []path{nil}; len(todo) > 0; {
				way := todo[0]
				todo = todo[1:]
				w := newWalk(rules)
				for _, event := range way {
					w.do(t, event)
				}
				state := w.state()
				if seen[state] {
					continue
				}
				seen[state] = true
				if w.over {
					over++
					if w.Job.failed {
						failed++
						require.NotEqual(t, Give, w.failed, "no reason")
					} else {
						require.NoError(t, w.wrong(), "%v", way)
					}
					continue
				}
				events, stuck := w.events()
				require.False(t, stuck, "nothing goes on after %v", way)
				for _, event := range events {
					todo = append(todo, append(slices.Clone(way), event))
				}
			}
			t.Logf("%d states, %d ends, %d of them failures", len(seen), over, failed)
			require.Greater(t, over, 1)
			require.Equal(t, rules.attempts < many || name == "quarantine, too many", failed > 0)
		})
	}
}
