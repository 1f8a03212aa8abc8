package ring

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// A doorbellModel is the words that the two sides of a doorbell share, and how far each
// side is. Every step touches shared memory at most once, so that all orders of
// the steps are all that can happen.
type doorbellModel struct {
	tail, notified uint32 // notified counts wakes
	asleep         bool
	blocked        bool // in the kernel

	sleeper, ringer int
	seen            uint32
	left            int // records that the ringer has not published yet
	taken           uint32
	sleeperDone     bool
}

// steps of the sleeper: 0 look · 1 seen = notified · 2 asleep = 1 · 3 look again ·
// 4 sleep if notified is what was seen · 5 asleep = 0. As in Doorbell.sleep.
func (m doorbellModel) sleep(lookAgain, compare bool) (doorbellModel, bool) {
	if m.sleeperDone || m.blocked {
		return m, false
	}
	switch m.sleeper {
	case 0:
		if m.taken != m.tail {
			m.taken++
			m.sleeperDone = m.taken == records
		} else {
			m.sleeper = 1
		}
	case 1:
		m.seen, m.sleeper = m.notified, 2
	case 2:
		m.asleep, m.sleeper = true, 3
	case 3:
		if m.sleeper = 4; lookAgain && m.taken != m.tail {
			m.sleeper = 5
		}
	case 4:
		m.blocked, m.sleeper = !compare || m.notified == m.seen, 5
	case 5:
		m.asleep, m.sleeper = false, 0
	}
	return m, true
}

// steps of the ringer: 0 publish · 1 asleep? · 2 notified++ · 3 wake. As in Publish
// and Doorbell.Notify.
func (m doorbellModel) ring() (doorbellModel, bool) {
	switch m.ringer {
	case 0:
		if m.left == 0 {
			return m, false
		}
		m.left--
		m.tail++
		m.ringer = 1
	case 1:
		if m.ringer = 0; m.asleep {
			m.ringer = 2
		}
	case 2:
		m.notified++
		m.ringer = 3
	case 3:
		m.blocked, m.ringer = false, 0
	}
	return m, true
}

const records = 3

// explore walks through all orders of the two sides' steps and returns the
// states in which nothing can go on although the sleeper has not got everything.
func explore(lookAgain, compare bool) (states int, stuck []string) {
	start := doorbellModel{left: records}
	seen := map[doorbellModel]bool{start: true}
	for todo := []doorbellModel{start}; len(todo) > 0; {
		m := todo[0]
		todo = todo[1:]
		moved := false
		for _, next := range []func() (doorbellModel, bool){
			func() (doorbellModel, bool) { return m.sleep(lookAgain, compare) },
			m.ring,
		} {
			if n, ok := next(); ok {
				moved = true
				if !seen[n] {
					seen[n] = true
					todo = append(todo, n)
				}
			}
		}
		if !moved && !m.sleeperDone {
			stuck = append(stuck, fmt.Sprintf("%+v", m))
		}
	}
	return len(seen), stuck
}

// In no order of the steps does a sleeper stay asleep over a record. Without the
// second look, or without the kernel's comparison, it does: the model can tell.
func TestBellModel(t *testing.T) {
	states, stuck := explore(true, true)
	t.Logf("%d states", states)
	require.Greater(t, states, 100)
	require.Empty(t, stuck)
	_, stuck = explore(false, true)
	require.NotEmpty(t, stuck)
	_, stuck = explore(true, false)
	require.NotEmpty(t, stuck)
}

// A takeBackModel is what the two sides of one record share when the producer
// takes it back: its flag, and whether the consumer has begun it.
type takeBackModel struct {
	back, begun        bool
	producer, consumer int
	certain            bool // the producer's answer
	ran, skipped       bool // the consumer's
}

// Whoever is second to write sees what the first wrote: a record is never run
// by the consumer and certainly the producer's again; it can tell if one of them
// looks before it writes.
func TestTakeBackModel(t *testing.T) {
	outcomes := func(producerLooksFirst, consumerLooksFirst bool) (both, states int) {
		seen := map[takeBackModel]bool{}
		var walk func(m takeBackModel, saw [2]bool)
		walk = func(m takeBackModel, saw [2]bool) {
			if m.producer == 2 && m.consumer == 2 {
				if m.certain && m.ran {
					both++
				}
				seen[m] = true
				return
			}
			if n, s := m, saw; n.producer < 2 {
				if (n.producer == 0) == producerLooksFirst {
					s[0] = n.begun
				} else {
					n.back = true
				}
				if n.producer++; n.producer == 2 {
					n.certain = !s[0]
				}
				walk(n, s)
			}
			if n, s := m, saw; n.consumer < 2 {
				if (n.consumer == 0) == consumerLooksFirst {
					s[1] = n.back
				} else {
					n.begun = true
				}
				if n.consumer++; n.consumer == 2 {
					n.ran, n.skipped = !s[1], s[1]
				}
				walk(n, s)
			}
		}
		walk(takeBackModel{}, [2]bool{})
		return both, len(seen)
	}
	both, states := outcomes(false, false)
	require.Zero(t, both)
	require.Equal(t, 3, states) // the producer's, the consumer's, uncertain and skipped
	both, _ = outcomes(true, false)
	require.NotZero(t, both)
	both, _ = outcomes(false, true)
	require.NotZero(t, both)
}
