package pool

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A leaderModel is leading: those that wait, each for a task of its own,
// the dispatcher, somebody who needs the role at once, and what comes from
// elsewhere: results, ends of contexts, tasks that others resolve, a new lane. A
// step is what is done under Pool.mu at a time, or touches what is not under it
// once, so that all orders of the steps are all that can happen. Sleep is over
// when ready says so and not before: that no ring is slept through is the matter of
// the doorbell, and no time passes.
//
// A waiter waits once under each of some contexts that end, and then, if it may,
// under one that does not.
type leaderModel struct {
	locked   int8 // by which actor, over more than one step; else modelNobody
	polling  bool
	draining bool
	kicked   bool // kicks are not those that the leader has seen
	newLane  bool // is there
	watched  bool // the leader looks into it
	waited   int8
	hooked   int8 // whose context
	ended    uint8
	firing   uint8 // bit w: w's context has ended, who hears of it has not kicked yet
	parked   [4]int8
	longWait uint8 // those who are parked and not for the role, bits
	came     bool  // somebody was parked when the leader began to drain
	tasks    [3]uint8
	actors   [5]pollActor
}

const (
	modelNobody     = -1
	modelDispatcher = 3
	modelUrgent     = 4
)

type pollActor struct {
	pc     uint8
	waits  uint8 // that ended with their contexts
	taking int8  // the task whose result it takes, without the lock
	token  bool
	leads  bool
	// has waited for long
	longWait bool
}

const ( // pollActor.pc
	pollRest   = iota
	pollParked // waits for a token
	pollToken  // has it
	pollGaveUp // its context has ended
	pollDrain  // has the role, as in what follows; looks into the rings
	pollTake
	pollSee // has looked at its context; looks at the kicks
	pollLook
	pollSleep
	pollDone
)

const ( // of a task
	modelSent = iota
	modelRing
	modelTaken  // from the ring, not resolved yet
	modelEnding // its pins are being released
	modelResolved
)

// pollRules are what there is, and what is wrong with it. Sets of tasks and of
// those who wait for them are bits.
type pollRules struct {
	waiters    int
	ends       [3]uint8 // contexts that end, of each waiter
	gives      uint8    // does not wait without one
	lost       uint8    // has no result
	others     uint8    // may be resolved by somebody else
	views      uint8    // the lock is let go while its result is taken
	pins       uint8    // is resolved a while later
	lateLane   uint8    // is in a lane that is new
	dispatcher bool
	urgent     bool
	longWait   uint8 // may become so

	noKick       bool // of the leader when others resolve its task
	noLaneKick   bool
	noUrgentKick bool
	urgentLast   bool // in the list
	unlockedKick bool // at the end of a context
	noHook       bool
	leavesToken  bool // whose context has ended
	keepsRole    bool // given to it too late
	noPass       bool
	twoLeaders   bool // does not look whether there is one
	noLookAfter  bool // the leader does not look at its task when it has drained, but before
	noDispatcher bool // leads for long waits
	forgotten    bool // long waits are not told
}

func (m *leaderModel) push(a int8, first bool) {
	n := slices.Index(m.parked[:], modelNobody)
	if first {
		copy(m.parked[1:], m.parked[:n])
		n = 0
	}
	m.parked[n] = a
}

// isParked reports whether a is, for the role or not.
func (m *leaderModel) isParked(a int8) bool {
	return m.longWait>>a&1 == 1 || slices.Contains(m.parked[:], a)
}

// remove reports whether a was parked.
func (m *leaderModel) remove(a int8) bool {
	if m.longWait>>a&1 == 1 {
		m.longWait &^= 1 << a
		return true
	}
	i := slices.Index(m.parked[:], a)
	if i >= 0 {
		copy(m.parked[i:], m.parked[i+1:])
		m.parked[len(m.parked)-1] = modelNobody
	}
	return i >= 0
}

// unpark as unparkLocked. What is wrong it puts into wrong.
func (m *leaderModel) unpark(a int8, wrong map[string]bool) {
	m.remove(a)
	if m.actors[a].token {
		wrong["token twice"] = true
	}
	m.actors[a].token = true
}

func (m *leaderModel) pass(r pollRules, wrong map[string]bool) {
	m.waited = modelNobody
	a := m.parked[0]
	if m.polling = a != modelNobody; !m.polling {
		return
	}
	if r.noPass {
		m.polling = false
		return
	}
	m.actors[a].leads = true
	m.unpark(a, wrong)
}

// resolve as resolveLocked, resolved as resolvedLocked.
func (m *leaderModel) resolve(r pollRules, t int8, wrong map[string]bool) {
	if m.tasks[t] = modelEnding; r.pins>>t&1 == 0 {
		m.resolved(r, t, wrong)
	}
}

func (m *leaderModel) resolved(r pollRules, t int8, wrong map[string]bool) {
	m.tasks[t] = modelResolved
	switch {
	case m.longWait>>t&1 == 1 && r.forgotten:
	case m.isParked(t):
		m.unpark(t, wrong)
	case m.waited == t && !m.draining && !r.noKick:
		m.kicked = true
	}
}

// ready as Pool.ready.
func (m *leaderModel) ready(r pollRules) bool {
	for t := range r.waiters {
		if m.tasks[t] == modelRing && (m.watched || r.lateLane>>t&1 == 0) {
			return true
		}
	}
	return m.kicked
}

// endsNow is whether the context of a's present wait is one that ends, hasEnded
// whether it has.
func (m *leaderModel) endsNow(r pollRules, a int8) bool {
	return a < modelDispatcher && m.actors[a].waits < r.ends[a]
}

func (m *leaderModel) hasEnded(r pollRules, a int8) bool { return m.endsNow(r, a) && m.ended>>a&1 == 1 }

// wait is the loop of await: the lock is held and is let go.
func (m *leaderModel) wait(r pollRules, a int8, ended bool, wrong map[string]bool) {
	w := &m.actors[a]
	m.locked = modelNobody
	if m.tasks[a] != modelResolved && !ended {
		if w.longWait {
			m.longWait |= 1 << a
			w.pc = pollParked
			return
		}
		if m.polling && !w.leads && !r.twoLeaders {
			m.push(a, false)
			w.pc = pollParked
			return
		}
		m.polling, w.leads, m.waited = true, false, a
		w.pc = pollDrain
		m.locked = a
		return
	}
	if w.leads && !r.keepsRole {
		w.leads = false
		m.pass(r, wrong)
	}
	w.pc, w.longWait = pollDone, false
	if m.tasks[a] == modelResolved {
		return
	}
	w.waits++
	m.ended &^= 1 << a
	if r.gives>>a&1 == 0 || w.waits < r.ends[a] {
		w.pc = pollRest
	}
}

// leave is the end of pollLocked, and what comes after it.
func (m *leaderModel) leave(r pollRules, a int8, ended bool, wrong map[string]bool) {
	m.pass(r, wrong)
	if a < modelDispatcher {
		m.wait(r, a, ended, wrong)
		return
	}
	m.actors[a].pc, m.locked = pollDone, modelNobody
	if a == modelDispatcher && r.longWait != 0 {
		m.actors[a].pc = pollRest // it comes again
	}
}

// open reports whether a task is unresolved.
func (m *leaderModel) open(r pollRules) bool {
	return slices.ContainsFunc(m.tasks[:r.waiters], func(s uint8) bool { return s < modelEnding })
}

// drained is the leader's look at more than the rings.
func (m *leaderModel) drained(r pollRules, a int8, wrong map[string]bool) {
	m.draining = false
	first := m.parked[0]
	switch {
	case a == modelUrgent:
		m.leave(r, a, false, wrong)
	case a < modelDispatcher && m.tasks[a] == modelResolved && !r.noLookAfter:
		m.leave(r, a, false, wrong)
	case m.hasEnded(r, a):
		m.leave(r, a, true, wrong)
	case first != modelNobody && (a == modelDispatcher || first == modelUrgent):
		m.leave(r, a, false, wrong)
	case a == modelDispatcher && (m.came || !m.open(r)):
		m.leave(r, a, false, wrong)
	default:
		m.actors[a].pc = pollSee
	}
}

// act adds the steps of an actor.
func (m leaderModel) act(r pollRules, a int8, wrong map[string]bool, to func(leaderModel)) {
	before := m
	w := &m.actors[a]
	free := m.locked == modelNobody || m.locked == a
	switch w.pc {
	case pollRest:
		switch {
		case !free:
		case a < modelDispatcher:
			m.wait(r, a, false, wrong)
			to(m)
		case a == modelUrgent && r.urgent && m.polling: // as acquireLocked
			m.push(a, !r.urgentLast)
			m.kicked = m.kicked || !r.noUrgentKick
			w.pc = pollParked
			to(m)
		case a == modelDispatcher && r.longWait != 0 && !m.open(r):
		case a == modelUrgent && r.urgent, a == modelDispatcher && r.dispatcher && !m.polling:
			m.polling, m.locked, w.pc = true, a, pollDrain
			to(m)
		}
	case pollParked:
		if w.token {
			w.token, w.pc = false, pollToken
			to(m)
		}
		if m = before; m.hasEnded(r, a) {
			w.pc = pollGaveUp
			to(m)
		}
	case pollToken:
		if !free {
			break
		}
		if a == modelUrgent {
			w.leads, m.locked, w.pc = false, a, pollDrain
		} else {
			m.wait(r, a, false, wrong)
		}
		to(m)
	case pollGaveUp:
		if !free {
			break
		}
		if !m.remove(a) && !r.leavesToken {
			w.token = false // it is there
		}
		m.wait(r, a, true, wrong)
		to(m)
	case pollDrain:
		if !free {
			break
		}
		if r.noLookAfter && !m.draining && a < modelDispatcher && m.tasks[a] == modelResolved {
			m.leave(r, a, false, wrong)
			to(m)
			break
		}
		if !m.draining {
			m.came = m.parked[0] != modelNobody
		}
		m.locked, m.draining = a, true
		t := int8(slices.Index(m.tasks[:r.waiters], modelRing))
		switch {
		case t < 0:
			m.drained(r, a, wrong)
		case r.views>>t&1 == 1:
			m.tasks[t], w.taking = modelTaken, t
			m.locked, w.pc = modelNobody, pollTake
		default:
			m.resolve(r, t, wrong)
		}
		to(m)
	case pollTake:
		if free {
			m.locked = a
			m.resolve(r, w.taking, wrong)
			w.taking, w.pc = 0, pollDrain
			to(m)
		}
	case pollSee:
		m.kicked, m.watched = false, m.newLane
		m.locked, w.pc = modelNobody, pollLook
		to(m)
	case pollLook:
		if m.ready(r) {
			w.pc = pollDrain
			to(m)
		}
		if m = before; free && a < modelDispatcher && r.longWait>>a&1 == 1 {
			w.longWait = true
			m.leave(r, a, false, wrong)
			to(m)
		}
		m = before // it has not seen it, and goes to sleep
		w.pc = pollSleep
		if context := m.endsNow(r, a); context && m.hooked != a || !context {
			m.hooked = modelNobody
			if context && !r.noHook {
				m.hooked = a
				m.firing |= m.ended & (1 << a)
			}
		}
		to(m)
	case pollSleep:
		if m.ready(r) {
			w.pc = pollDrain
			to(m)
		}
	}
}

// befall adds what comes from elsewhere.
func (m leaderModel) befall(r pollRules, wrong map[string]bool, to func(leaderModel)) {
	before, free := m, m.locked == modelNobody
	if free && r.lateLane != 0 && !m.newLane {
		m.newLane, m.kicked = true, m.kicked || !r.noLaneKick
		to(m)
	}
	for t := range int8(r.waiters) {
		bit := uint8(1) << t
		if m = before; m.tasks[t] == modelSent && r.lost&bit == 0 && (m.newLane || r.lateLane&bit == 0) {
			m.tasks[t] = modelRing
			to(m)
		}
		if m = before; free && m.tasks[t] == modelSent && r.others&bit != 0 {
			m.resolve(r, t, wrong)
			to(m)
		}
		if m = before; free && m.tasks[t] == modelEnding {
			m.resolved(r, t, wrong)
			to(m)
		}
		if m = before; m.endsNow(r, t) && m.ended&bit == 0 && m.actors[t].pc != pollDone {
			m.ended |= bit
			if m.hooked == t {
				m.firing |= bit
			}
			to(m)
		}
		if m = before; m.firing&bit != 0 && (free || r.unlockedKick) {
			m.firing &^= bit
			m.kicked = true
			to(m)
		}
	}
}

// check holds the state against the invariants.
func (m *leaderModel) check(r pollRules, wrong map[string]bool) {
	holders := 0
	for i := range m.actors {
		a, w := int8(i), &m.actors[i]
		parked := m.isParked(a)
		if w.leads || w.pc >= pollDrain && w.pc <= pollSleep {
			holders++
		}
		if parked && a < modelDispatcher && m.tasks[a] == modelResolved {
			wrong["parked, though resolved"] = true
		}
		if parked && w.token || !parked && !w.token && (w.pc == pollParked || w.pc == pollGaveUp && !r.leavesToken) {
			wrong["token lost"] = true
		}
		if w.token && w.pc != pollParked && w.pc != pollGaveUp {
			wrong["token left"] = true
		}
		if w.pc == pollSleep && !m.ready(r) && slices.Contains(m.parked[:], modelUrgent) {
			wrong["urgent one waits"] = true
		}
	}
	if holders > 1 {
		wrong["two leaders"] = true
	}
	if m.polling != (holders > 0) {
		wrong["role lost"] = true
	}
	if m.parked[0] != modelNobody && !m.polling {
		wrong["parked without a leader"] = true
	}
}

// explorePoll walks through all orders of the steps.
func explorePoll(r pollRules) (states int, wrong map[string]bool) {
	wrong = map[string]bool{}
	start := leaderModel{locked: modelNobody, waited: modelNobody, hooked: modelNobody}
	for i := range start.parked {
		start.parked[i] = modelNobody
	}
	for i := r.waiters; i < modelDispatcher; i++ {
		start.actors[i].pc = pollDone
	}
	if r.noDispatcher {
		start.actors[modelDispatcher].pc = pollDone
	}
	seen := map[leaderModel]struct{}{start: {}}
	for todo := []leaderModel{start}; len(todo) > 0; {
		m := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		m.check(r, wrong)
		moved := false
		to := func(n leaderModel) {
			moved = true
			if _, ok := seen[n]; !ok {
				seen[n] = struct{}{}
				todo = append(todo, n)
			}
		}
		for a := range int8(len(m.actors)) {
			m.act(r, a, wrong, to)
		}
		m.befall(r, wrong, to)
		if moved {
			continue
		}
		for a := range int8(len(m.actors)) {
			// The dispatcher may sleep on where nobody waits.
			if pc := m.actors[a].pc; pc != pollDone && pc != pollRest && a != modelDispatcher {
				wrong["hangs"] = true
			}
		}
	}
	return len(seen), wrong
}

// In no order of the steps does the role have two holders, is somebody parked
// while nobody has it, or does somebody wait for ever for what is there. With a
// piece of the protocol left out or in another place it happens: the model can tell.
func TestPollModel(t *testing.T) {
	three := pollRules{waiters: 3, ends: [3]uint8{1, 0, 0}, others: 0b010, pins: 0b100}
	taking := pollRules{waiters: 2, ends: [3]uint8{1, 1}, views: 0b01, pins: 0b10, others: 0b10, dispatcher: true, urgent: true}
	unfinished := pollRules{waiters: 2, ends: [3]uint8{2, 1}, gives: 0b01, lost: 0b01, lateLane: 0b10, dispatcher: true, urgent: true}
	long := pollRules{waiters: 3, ends: [3]uint8{1, 0, 0}, others: 0b010, pins: 0b100, longWait: 0b011, dispatcher: true}
	with := func(r pollRules, change func(*pollRules)) pollRules { change(&r); return r }
	for _, tt := range []struct {
		name  string
		rules pollRules
		want  string
	}{
		{"three waiters", three, ""},
		{"three and an urgent one", with(three, func(r *pollRules) { r.urgent = true }), ""},
		{"three of all kinds", with(three, func(r *pollRules) { r.views, r.urgent = 0b001, true }), ""},
		{"results without the lock", taking, ""},
		{"no result, a new lane", unfinished, ""},
		{"long waits", long, ""},
		{"long waits, a new lane", with(unfinished, func(r *pollRules) { r.longWait = 0b11 }), ""},
		{"long waits, results without the lock", with(taking, func(r *pollRules) { r.longWait = 0b11 }), ""},

		{"nobody leads for long waits", with(long, func(r *pollRules) { r.noDispatcher = true }), "hangs"},
		{"long waits not told", with(long, func(r *pollRules) { r.forgotten = true }), "hangs, parked, though resolved"},
		{"no kick", with(three, func(r *pollRules) { r.noKick = true }), "hangs"},
		{"no kick for a new lane", with(unfinished, func(r *pollRules) { r.noLaneKick = true }), "hangs"},
		{"no kick by an urgent one", with(unfinished, func(r *pollRules) { r.noUrgentKick = true }), "hangs, urgent one waits"},
		{"an urgent one in line", with(unfinished, func(r *pollRules) { r.urgentLast = true }), "urgent one waits"},
		{"no kick at the end of a context", with(unfinished, func(r *pollRules) { r.noHook = true }), "hangs"},
		{"that kick without the lock", with(unfinished, func(r *pollRules) { r.unlockedKick = true }), "hangs"},
		{"token not taken", with(three, func(r *pollRules) { r.leavesToken = true }), "parked, though resolved, token left, token lost, token twice"},
		{"role not passed on", with(three, func(r *pollRules) { r.noPass = true }), "hangs, parked without a leader"},
		{"role kept that came too late", with(taking, func(r *pollRules) { r.keepsRole = true }), "hangs"},
		{"role taken from its holder", with(three, func(r *pollRules) { r.twoLeaders = true }), "hangs, role lost, two leaders"},
		{"own task looked at before the rings", with(taking, func(r *pollRules) { r.noLookAfter = true }), "hangs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if raceEnabled {
				t.Skip("not in CI: one goroutine has no races")
			}
			states, wrong := explorePoll(tt.rules)
			t.Logf("%d states", states)
			require.Equal(t, tt.want, strings.Join(slices.Sorted(maps.Keys(wrong)), ", "))
			require.Greater(t, states, 100)
		})
	}
}
