package rangejob

import (
	"cmp"
	"fmt"
	"maps"
	"math/bits"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A rangeModel is a range job: the shared counter, the workers, what the
// supervisor knows, and its recoveries from their deaths. Sets of blocks are
// bits. A step touches shared memory at most once, so that all orders of the
// steps are all that can happen.
//
// A worker does for each block
//
//	claim = choosing · b = fetch-add(next) · claim = running(b), or none and stop
//	run the block · publish its result on the worker's own ring · claim = none
//
// of which the last may be left out, and a killed one stops anywhere. A recovery
// begins when a death is confirmed, and starts over when another one is:
//
//	n  n = next
//	s  look at each living worker until it is seen not choosing
//	c  read the claims of the living; or take for them what s has seen
//	d  take what is on all rings, those of the living too
//	   give out [0, n) − done − claimed − given out before and not known to be done
//
// What is given out goes to a living worker as a task, without claim. A block is
// charged with the death of the worker that had claimed it. A worker may take its
// first step late, so those that replace dead ones are in the model too.
type rangeModel struct {
	next    uint8 // all values from the number of blocks on are one
	done    uint8 // results the supervisor has taken
	again   uint8 // blocks it is going to give out by descriptor
	kills   uint8 // that may still come
	workers [3]rangeWorker
	rec     [2]rangeRecovery
}

type rangeWorker struct {
	pc, block uint8
	stopped   bool  // has seen the counter's end
	claim     uint8 // modelNone, modelChoosing, modelRunning + b
	ring      uint8 // published, not yet taken
	given     uint8 // by descriptor and, for all the supervisor knows, still out
	alive     bool
	known     uint8 // to the supervisor: living, dead, or buried by a recovery
	passed    uint8 // bit r: recovery r is through with it in this phase
	mourned   uint8 // bit r: its death is recovery r's
}

type rangeRecovery struct {
	phase   uint8 // 0: there is none; from 1 on: of rangeRules.phases; then give out
	n       uint8
	claimed uint8
}

const ( // rangeWorker.pc
	modelRest   = iota
	modelChoice // has claimed choosing
	modelClaim  // has block, from the counter
	modelBlock  // has claimed it
	modelTask   // has block, by descriptor
)

const ( // rangeWorker.claim
	modelNone = iota
	modelChoosing
	modelRunning
)

const ( // rangeWorker.known
	modelLiving = iota
	modelDead
	modelBuried
)

// rangeRules are the protocol, or what is wrong with it.
type rangeRules struct {
	workers int
	blocks  uint8
	kills   uint8
	phases  string // of a recovery, as above; C reads the claims of the dead too, D drains their rings only

	noChoosing  bool // the worker does not say so
	unconfirmed bool // a recovery begins while the worker may still go on
	forgets     bool // what was given out before
	goesOn      bool // a recovery does not start over
	atOnce      bool // nor does it: each death has its own, both at once
}

// has is the block in w's hands.
func (m rangeModel) has(w *rangeWorker) uint8 {
	if w.alive && (w.pc == modelClaim || w.pc == modelBlock || w.pc == modelTask) {
		return 1 << w.block
	}
	return 0
}

// inbox is what was given to w by descriptor and it has not begun.
func (m rangeModel) inbox(w *rangeWorker) uint8 {
	if !w.alive {
		return 0
	}
	return w.given &^ w.ring &^ m.has(w) &^ m.done
}

// work adds the steps of worker i.
func (m rangeModel) work(r rangeRules, i int, to func(rangeModel)) {
	before := m
	w := &m.workers[i]
	if !w.alive {
		return
	}
	switch w.pc {
	case modelRest:
		if inbox := m.inbox(w); inbox != 0 {
			w.pc, w.block = modelTask, uint8(bits.TrailingZeros8(inbox))
			to(m)
			m = before
		}
		if w.claim >= modelRunning {
			w.claim = modelNone
			to(m)
			m = before
		}
		if !w.stopped {
			if w.pc = modelChoice; !r.noChoosing {
				w.claim = modelChoosing
			}
			to(m)
		}
	case modelChoice:
		w.pc, w.block = modelClaim, m.next
		m.next = min(m.next+1, r.blocks)
		to(m)
	case modelClaim:
		if w.block < r.blocks {
			w.pc, w.claim = modelBlock, modelRunning+w.block
		} else {
			w.pc, w.claim, w.block, w.stopped = modelRest, modelNone, 0, true
		}
		to(m)
	case modelBlock, modelTask:
		w.pc, w.block, w.ring = modelRest, 0, w.ring|1<<w.block
		to(m)
	}
}

// die adds the death of worker i.
func (m rangeModel) die(i int, to func(rangeModel)) {
	w := &m.workers[i]
	if !w.alive || m.kills == 0 && w.known == modelLiving {
		return
	}
	if w.known == modelLiving { // else it is the death the supervisor did not wait for
		m.kills--
	}
	w.alive, w.stopped, w.block = false, false, 0
	if w.pc != modelBlock { // see giveOut
		w.pc = modelRest
	}
	to(m)
}

func (m *rangeModel) drain(w *rangeWorker) {
	m.done |= w.ring
	w.given &^= w.ring
	w.ring = 0
}

// supervise adds what the supervisor does at any time: take results, hand a block
// out, hear of a death.
func (m rangeModel) supervise(r rangeRules, to func(rangeModel)) {
	before := m
	for i := range m.workers {
		w := &m.workers[i]
		if w.ring != 0 {
			m.drain(w)
			to(m)
			m = before
		}
		if w.known == modelLiving && m.again != 0 {
			b := m.again & -m.again
			m.again &^= b
			w.given |= b
			to(m)
			m = before
		}
		if w.known == modelLiving && (!w.alive || r.unconfirmed && m.kills > 0) {
			if w.known = modelDead; w.alive {
				m.kills--
			}
			to(m.advance(r))
			m = before
		}
	}
}

// recover adds the steps of recovery k, and says what giveOut says.
func (m rangeModel) recover(r rangeRules, k int, to func(rangeModel)) (wrong string) {
	rec := &m.rec[k]
	if rec.phase == 0 {
		return ""
	}
	if int(rec.phase) > len(r.phases) {
		return m.giveOut(r, k, to)
	}
	phase := r.phases[rec.phase-1]
	if phase == 'n' {
		rec.n = m.next
		rec.phase++
		to(m.advance(r))
		return ""
	}
	before := m
	for i := range m.workers {
		w := &m.workers[i]
		if !concerns(phase, w) || w.passed>>k&1 != 0 || phase == 's' && w.claim == modelChoosing {
			continue
		}
		if phase == 'd' || phase == 'D' {
			m.drain(w)
		} else if w.claim >= modelRunning && (phase != 's' || !strings.ContainsAny(r.phases, "cC")) {
			rec.claimed |= 1 << (w.claim - modelRunning)
		}
		w.passed |= 1 << k
		to(m.advance(r))
		m = before
	}
	return ""
}

// concerns reports whether a phase looks at worker w.
func concerns(phase byte, w *rangeWorker) bool {
	return w.known == modelLiving && phase != 'D' || w.known == modelDead && strings.IndexByte("dDC", phase) >= 0
}

// advance does what is no step of its own: it begins a recovery from a death that
// was heard of, or starts it over, and ends the phases that have looked at all.
func (m rangeModel) advance(r rangeRules) rangeModel {
	k := 0
	if r.atOnce && m.rec[0].phase != 0 {
		k = 1
	}
	if m.rec[k].phase == 0 || !r.goesOn && !r.atOnce {
		for i := range m.workers {
			if w := &m.workers[i]; w.known == modelDead && w.mourned == 0 {
				w.mourned = 1 << k
				m.rec[k] = rangeRecovery{phase: 1}
				m.forget(k)
			}
		}
	}
	for k := range m.rec {
		for rec := &m.rec[k]; rec.phase != 0 && int(rec.phase) <= len(r.phases) && r.phases[rec.phase-1] != 'n'; rec.phase++ {
			if slices.ContainsFunc(m.workers[:], func(w rangeWorker) bool {
				return concerns(r.phases[rec.phase-1], &w) && w.passed>>k&1 == 0
			}) {
				break
			}
			m.forget(k)
		}
	}
	return m
}

// forget has recovery k look at all workers again.
func (m *rangeModel) forget(k int) {
	for i := range m.workers {
		m.workers[i].passed &^= 1 << k
	}
}

// giveOut ends a recovery. It is wrong if a block is charged with a death that
// did not interrupt it, or not charged with one that did.
func (m rangeModel) giveOut(r rangeRules, k int, to func(rangeModel)) (wrong string) {
	orphans := (uint8(1)<<m.rec[k].n - 1) &^ m.done &^ m.rec[k].claimed
	if !r.forgets {
		orphans &^= m.again
		for _, w := range m.workers {
			if w.mourned>>k&1 == 0 {
				orphans &^= w.given
			}
		}
	}
	for i := range m.workers {
		w := &m.workers[i]
		if w.mourned>>k&1 == 0 {
			continue
		}
		charged := w.claim >= modelRunning && orphans>>(w.claim-modelRunning)&1 != 0
		if !w.alive && charged != (w.pc == modelBlock) {
			wrong = fmt.Sprintf("charged %v", charged)
		}
		if w.known, w.given, w.mourned, w.passed = modelBuried, 0, 0, 0; !w.alive {
			w.claim, w.pc = modelNone, modelRest
		}
	}
	m.again |= orphans
	m.rec[k] = rangeRecovery{}
	to(m.advance(r))
	return wrong
}

// twice reports whether a block is in two places: a result that was taken, one
// on a ring, in a worker's hands, on its way to one, or to be given out.
func (m *rangeModel) twice(r rangeRules) bool {
	seen, twice := m.done|m.again, m.done&m.again
	for i := range m.workers {
		w := &m.workers[i]
		for _, set := range [...]uint8{w.ring, m.has(w), m.inbox(w)} {
			twice |= seen & set
			seen |= set
		}
	}
	return twice&(1<<r.blocks-1) != 0
}

// key orders workers: those with the same are the same.
func (w *rangeWorker) key() uint64 {
	k := uint64(0)
	for _, b := range [...]uint8{w.pc, w.block, w.claim, w.ring, w.given, w.known, w.passed<<4 | w.mourned} {
		k = k<<8 | uint64(b)
	}
	k <<= 2
	if w.alive {
		k |= 1
	}
	if w.stopped {
		k |= 2
	}
	return k
}

// exploreRange walks through all orders of the steps and returns what goes wrong,
// each with a state: "twice", a block in two places; "lost", not all blocks done
// when nothing can go on; "charged true" and "charged false", as giveOut says.
func exploreRange(r rangeRules) (states int, wrong map[string]rangeModel) {
	wrong = map[string]rangeModel{}
	start := rangeModel{kills: r.kills}
	for i := range start.workers {
		start.workers[i].known = modelBuried
		if i < r.workers {
			start.workers[i] = rangeWorker{alive: true}
		}
	}
	seen := map[rangeModel]bool{start: true}
	for todo := []rangeModel{start}; len(todo) > 0; {
		m := todo[0]
		todo = todo[1:]
		moved := false
		to := func(n rangeModel) {
			moved = true
			// Which worker is which makes no difference.
			slices.SortFunc(n.workers[:], func(a, b rangeWorker) int { return cmp.Compare(a.key(), b.key()) })
			if seen[n] {
				return
			}
			seen[n] = true
			if n.twice(r) {
				wrong["twice"] = n
				return
			}
			todo = append(todo, n)
		}
		for i := range m.workers {
			m.work(r, i, to)
		}
		m.supervise(r, to)
		for k := range m.rec {
			if bad := m.recover(r, k, to); bad != "" {
				wrong[bad] = m
			}
		}
		if !moved && m.done != 1<<r.blocks-1 { // every step is one of finitely many
			wrong["lost"] = m
		}
		for i := range m.workers {
			m.die(i, to)
		}
	}
	return len(seen), wrong
}

// In no order of the steps is a block lost, or given out while somebody has it or
// its result is on the way, or charged with a death that did not interrupt it.
// With a piece of the protocol left out or in another place it happens: the model
// can tell.
func TestRangeModel(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rules rangeRules
		want  string
	}{
		{"four blocks", rangeRules{workers: 2, blocks: 4, kills: 1, phases: "nscd"}, ""},
		{"two deaths", rangeRules{workers: 3, blocks: 2, kills: 2, phases: "nscd"}, ""},
		{"two deaths, claims as first seen", rangeRules{workers: 3, blocks: 3, kills: 2, phases: "nsd"}, ""},

		{"no choosing", rangeRules{workers: 2, blocks: 3, kills: 1, phases: "nscd", noChoosing: true}, "twice"},
		{"choosing not waited out", rangeRules{workers: 2, blocks: 3, kills: 1, phases: "ncd"}, "twice"},
		{"next read after the wait", rangeRules{workers: 2, blocks: 3, kills: 1, phases: "sncd"}, "twice"},
		{"next read after the claims", rangeRules{workers: 2, blocks: 3, kills: 1, phases: "snd"}, "twice"},
		{"drained before the claims are read", rangeRules{workers: 2, blocks: 3, kills: 1, phases: "nsdc"}, "twice"},
		{"rings of the living not drained", rangeRules{workers: 2, blocks: 3, kills: 1, phases: "nscD"}, "twice"},
		{"claims of the dead believed", rangeRules{workers: 2, blocks: 3, kills: 1, phases: "nsCd"}, "charged false, lost"},
		{"death not confirmed", rangeRules{workers: 2, blocks: 3, kills: 1, phases: "nscd", unconfirmed: true}, "charged false, charged true, lost, twice"},
		{"forgets what it gave out", rangeRules{workers: 3, blocks: 2, kills: 2, phases: "nscd", forgets: true}, "twice"},
		// The one that died meanwhile had claimed a block that this recovery gives out.
		{"not started over", rangeRules{workers: 3, blocks: 2, kills: 2, phases: "nscd", goesOn: true}, "charged false"},
		{"two recoveries at once", rangeRules{workers: 3, blocks: 1, kills: 2, phases: "nscd", atOnce: true}, "charged false"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			states, wrong := exploreRange(tt.rules)
			t.Logf("%d states", states)
			require.Equal(t, tt.want, strings.Join(slices.Sorted(maps.Keys(wrong)), ", "), "%+v", wrong)
			require.Greater(t, states, 100)
		})
	}
}
