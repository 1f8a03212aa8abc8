package pool

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/life"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/rangejob"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
	"example.com/handoff/shm/ring"
)

// A rangeWalk is the pool's own side of a range, the code and not a model of it, between
// workers that do one thing at a time: take the next block or part, or report the
// one that they have. Beside that a few of them die, or overrun, somebody stores to
// the counter, and what waits in one lane is moved to another. The model in internal/rangejob/model_test.go has the steps in between.
type rangeWalk struct {
	p       *Pool
	j       *rangeJob
	blocks  rangejob.Blocks
	workers []*walkWorker
	rangeWalkRules
}

type rangeWalkRules struct {
	n, grain, quarantine          int
	kills, overruns, stray, moves int // that may still come
}

type walkWorker struct {
	w     *worker
	lane  lane.Worker
	share wire.RangeShare // that it has; job 0: none
	block uint32
	busy  bool // it has the block, or the part
}

// A walkEvent is what a worker does, or what befalls it or the counter.
type walkEvent struct {
	what   string
	worker int
}

// walkRecord is where workers put what they take.
var walkRecord = make([]byte, lane.RecordBytes)

// A noLink leads nowhere.
type noLink struct{ proc.Link }

func (noLink) Send([]byte, int) error { return nil }

func newRangeWalk(t testing.TB, rules rangeWalkRules) *rangeWalk {
	const workers = 2
	p := newBarePool(workers)
	p.ranges.counters <- struct{}{}
	p.table = newTable()
	p.mu.Unlock()
	j, err := p.newRange(count.e, rules.n, &RangeOptions{Grain: rules.grain, Quarantine: rules.quarantine})
	require.NoError(t, err)
	p.mu.Lock()
	require.NoError(t, p.enterRangeLocked(j))
	r := &rangeWalk{p: p, j: j, blocks: rangejob.Cut(rules.n, rules.grain, workers), rangeWalkRules: rules}
	for slot := range workers {
		r.workers = append(r.workers, r.start(t, slot))
	}
	r.p.drainUnlocking()
	return r
}

// newBarePool is a pool without goroutines: its caller, who has its lock, does all.
func newBarePool(workers int) *Pool {
	p := &Pool{leader: leader{record: walkRecord, doorbell: ring.NewLocalDoorbell()}, slots: slots{width: life.NewWidth(workers)}, ranges: ranges{counters: make(chan struct{}, 1), shares: map[uint32]*task{}}}
	p.opts.Isolation, p.opts.Attempts, p.opts.Logger = Goroutine, wire.MaxAttempts, slog.New(slog.DiscardHandler)
	p.ranges.control = lane.LocalMemory(lane.ControlBytes)
	p.mu.Lock()
	return p
}

// start is a new incarnation in a slot.
func (r *rangeWalk) start(t testing.TB, slot int) *walkWorker {
	u := &walkWorker{w: r.p.startBare(t, slot)}
	var err error
	u.lane, err = lane.NewWorker(u.w.lane.Memory().Bytes, r.p.ranges.control.Bytes, u.w.lane.Doorbell, r.p.leader.doorbell)
	require.NoError(t, err)
	return u
}

// startBare adds a worker that does nothing to a bare pool.
func (p *Pool) startBare(t testing.TB, slot int) *worker {
	l, err := p.openLane()
	require.NoError(t, err)
	p.slots.incarnation++
	w := &worker{pool: p, slot: slot, incarnation: incarnation{number: p.slots.incarnation, lane: l, link: noLink{}, proc: &proc.Local{}, knows: map[uint32]bool{}}}
	w.results = &resultSegments{link: noLink{}, segs: map[uint32]*shm.Segment{}, memoryTasks: &l.MemoryTasks}
	p.addLaneLocked(w)
	return w
}

// events are what can come next: those that may go on for ever are not among them.
func (r *rangeWalk) events() (all []walkEvent, stuck bool) {
	stuck = true
	for i, u := range r.workers {
		if r.moves > 0 && u.w.lane.Len() == 0 {
			all = append(all, walkEvent{what: "steal"})
		}
		switch {
		case u.busy:
			all, stuck = append(all, walkEvent{"report", i}), false
		case u.share.Job > 0 || u.lane.Down.Ready():
			all, stuck = append(all, walkEvent{"take", i}), false
		}
		if r.kills > 0 && u.busy {
			all = append(all, walkEvent{"kill", i})
		}
		if r.overruns > 0 && u.busy {
			all = append(all, walkEvent{"overrun", i})
		}
	}
	if next, _ := r.p.ranges.counterOf(r.j); r.stray > 0 && next.Load() > 0 {
		all = append(all, walkEvent{what: "stray"})
	}
	return all, stuck
}

func (r *rangeWalk) do(t testing.TB, e walkEvent) {
	switch u := r.workers[e.worker]; e.what {
	case "take":
		r.take(t, u)
	case "report":
		u.put(t, r.blocks)
		if u.share.Block != wire.AnyBlock {
			u.end(t, wire.StatusOK)
		}
	case "steal":
		r.moves--
		for _, u := range r.workers {
			u.w.lane.Unbegun = time.Time{} // it does not look at the time
		}
		r.p.stealLocked()
	case "kill":
		r.kills--
		r.die(t, e.worker, ExitSignal)
	case "overrun":
		r.overruns--
		r.die(t, e.worker, ExitDeadline)
	case "stray":
		r.stray--
		next, _ := r.p.ranges.counterOf(r.j)
		next.Store(0)
	}
	r.p.drainUnlocking()
}

// take is what the runner of package worker does up to the block.
func (r *rangeWalk) take(t testing.TB, u *walkWorker) {
	if u.share.Job == 0 {
		record, revoked, ok := u.lane.Down.Start(walkRecord)
		require.True(t, ok)
		u.share, _, ok = wire.ReadRangeShare(record)
		require.True(t, ok)
		if revoked {
			u.end(t, wire.StatusRevoked)
			return
		}
		if u.block = u.share.Block; u.block != wire.AnyBlock {
			u.busy = true
			return
		}
	}
	next, stop := lane.Counters(u.lane.Control, u.share.Job)
	b := next.Load()
	if stop.Load() != 0 || int(b) >= r.blocks.Count {
		u.lane.Claim.Store(0)
		u.end(t, wire.StatusOK)
		return
	}
	next.Store(b + 1)
	u.lane.Claim.Store(uint64(u.share.Job)<<32 | lane.ClaimBlock + uint64(b))
	u.block, u.busy = b, true
}

// put reports a block or a part: its result is its indices.
func (u *walkWorker) put(t testing.TB, blocks rangejob.Blocks) {
	lo, hi := u.share.Lo, u.share.Hi
	if u.share.Block != wire.PartOfBlock {
		lo, hi = blocks.At(int(u.block))
	}
	record := append(wire.AppendBlock(nil, u.share.ID, u.block), byte(lo), byte(hi))
	_, ok := u.lane.Up.Put(record)
	require.True(t, ok)
	u.lane.Up.Publish()
	u.busy = false
}

// end answers the share.
func (u *walkWorker) end(t testing.TB, status wire.Status) {
	_, ok := u.lane.Up.Put(wire.AppendResult(nil, status, u.share.ID))
	require.True(t, ok)
	u.lane.Up.Publish()
	u.share, u.busy = wire.RangeShare{}, false
}

// die is reap, and the start of the next one.
func (r *rangeWalk) die(t testing.TB, i int, class ExitClass) {
	w := r.workers[i].w
	r.p.drainUnlocking()
	ran := w.diedUnderLocked()
	require.NotNil(t, ran)
	r.p.detachIncarnationUnlocking(w, ran, &WorkerExitError{Worker: i, Class: class})
	r.workers[i] = r.start(t, i)
}

// state says in which ways r differs from other walks.
func (r *rangeWalk) state() string {
	var s strings.Builder
	j := r.j
	next, stop := r.p.ranges.counterOf(j)
	fmt.Fprint(&s, r.kills, r.overruns, r.stray, r.moves, next.Load(), stop.Load(), *j.machine)
	of := func(t *task) {
		if t == nil {
			fmt.Fprint(&s, " back")
			return
		}
		fmt.Fprint(&s, " ", t.share.Share)
	}
	for t := r.p.tasks.pending.first; t != nil; t = t.next {
		of(t)
	}
	for _, u := range r.workers {
		fmt.Fprint(&s, " worker", u.share.Job, u.share.Block, u.block, u.busy, u.lane.Claim.Load(), j.joined[u.w.number])
		for i := range u.w.lane.Len() {
			var t *task
			if sent := u.w.lane.At(i); sent.Live {
				t = r.p.taskOf(sent.ID)
			}
			of(t)
			fmt.Fprint(&s, u.w.lane.StartedAt(i))
		}
	}
	return s.String()
}

// wrong is what is wrong with the result of a range that is over.
func (r *rangeWalk) wrong() error {
	j := r.j
	var left *QuarantineError
	if j.err != nil && !errors.As(j.err, &left) {
		return j.err
	}
	at := 0
	for _, result := range j.machine.Results() {
		part, _ := result.([]byte)
		for left != nil && slices.ContainsFunc(left.Indices, func(i PoisonIndex) bool { return i.Index == at }) {
			at++
		}
		if len(part) != 2 || int(part[0]) != at {
			return fmt.Errorf("indices %v follow, expected %d", part, at)
		}
		at = int(part[1])
	}
	if at+len(j.machine.Quarantined()) < r.n {
		return fmt.Errorf("it ends at %d of %d", at, r.n)
	}
	return nil
}

// In every order of what workers do, of deaths, overruns and a store to the counter, the
// range ends and each index counts once.
func TestRangeWalk(t *testing.T) {
	for name, rules := range map[string]rangeWalkRules{
		"overruns":              {n: 4, grain: 2, overruns: 3, moves: 1},
		"overruns, stray":       {n: 2, grain: 2, overruns: 3, stray: 1, moves: 1},
		"two blocks, stray":     {n: 4, grain: 2, overruns: 2, stray: 1},
		"overrun, kills, stray": {n: 2, grain: 2, overruns: 2, kills: 1, stray: 1},
		"quarantine":            {n: 4, grain: 2, quarantine: 2, kills: 3},
		"quarantine, stray":     {n: 2, grain: 2, quarantine: 2, kills: 4, stray: 1, moves: 1},
	} {
		t.Run(name, func(t *testing.T) {
			if raceEnabled && name != "overrun, kills, stray" {
				t.Skip("not in CI: one goroutine has no races")
			}
			type path []walkEvent
			seen := map[string]bool{}
			over := 0
			for todo := []path{nil}; len(todo) > 0; {
				way := todo[0]
				todo = todo[1:]
				r := newRangeWalk(t, rules)
				for _, event := range way {
					r.do(t, event)
				}
				state := r.state()
				if seen[state] {
					continue
				}
				seen[state] = true
				if r.j.over {
					over++
					require.NoError(t, r.wrong(), "%v", way)
					continue
				}
				events, stuck := r.events()
				require.False(t, stuck, "nothing goes on after %v", way)
				for _, event := range events {
					todo = append(todo, append(slices.Clone(way), event))
				}
			}
			t.Logf("%d states, %d ends", len(seen), over)
			require.Greater(t, over, 1)
		})
	}
}
