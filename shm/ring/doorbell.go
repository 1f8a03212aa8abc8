package ring

import (
	"errors"
	"runtime"
	"sync/atomic"
	"time"
)

// DoorbellBytes is the size of a doorbell: a cache line.
const DoorbellBytes = 64

// A Doorbell lets its owner, one process, sleep until another process notifies it. The
// words are in memory that all of them map.
type Doorbell struct {
	notified, asleep word
	core             word          // of the owner, plus 1, when it was last asked for; a hint
	local            chan struct{} // of a local doorbell: holds the wake that the owner has not seen yet

	// Of the owner: how many looks in a row the first step of Look was for
	// nothing, and how many there were.
	misses, looks uint
	yielded       uint // Looks in a row that ended in the second step
	// The second step of Look takes 2^spinLevel times the wake time, because sleeps have
	// been short lately.
	spinLevel uint
}

// NewDoorbell is the doorbell in mem: zeroed, DoorbellBytes bytes, beginning at a cache line,
// mapped for as long as the Doorbell is used.
func NewDoorbell(mem []byte) (*Doorbell, error) {
	if len(mem) != DoorbellBytes || !aligned(mem) {
		return nil, errors.New("ring: a doorbell is one cache line")
	}
	return &Doorbell{notified: wordAt(mem, 0), asleep: wordAt(mem, 4), core: wordAt(mem, 8)}, nil
}

// NewLocalDoorbell is a doorbell for goroutines of one process: its owner does not keep
// a processor from the others while it sleeps.
func NewLocalDoorbell() *Doorbell {
	var words [3]atomic.Uint32
	return &Doorbell{notified: word{&words[0]}, asleep: word{&words[1]}, core: word{&words[2]}, local: make(chan struct{}, 1)}
}

// Notify wakes the owner if it sleeps. Call it after Publish.
func (b *Doorbell) Notify() {
	if b.Asleep() {
		b.Wake()
	}
}

// Asleep reports whether the owner sleeps in Sleep or is about to, as far as one can
// tell from outside: it is the owner's word.
func (b *Doorbell) Asleep() bool { return b.asleep.load() != 0 }

// Wake ends the owner's present sleep. What it is to find must be there for its
// ready before.
func (b *Doorbell) Wake() {
	if b.local != nil {
		select {
		case b.local <- struct{}{}:
		default:
		}
		return
	}
	b.notified.add(1)
	futexWake(b.notified)
}

// Wait returns once ready reports true, Notify or Wake was called while it slept,
// or most has passed; it reports what ready said last. It waits in three steps:
// the two of Look, then Sleep.
func (b *Doorbell) Wait(ready func() bool, most time.Duration) bool {
	began := time.Now()
	if b.Look(ready, most) {
		return true
	}
	rest := most - time.Since(began)
	return rest > 0 && b.Sleep(ready, rest)
}

// leaveAfter is after how many successful Looks in a row that had to yield a
// doorbell's owner says on which core it is. Without [Doorbell.MoveAway] a round trip takes
// some four times as long: pool's BenchmarkHot/op=roundtrip/workers=1.
const leaveAfter = 64

// maxYields bounds the looks at a local doorbell, beside the time: under a fake clock
// none passes while somebody looks.
const maxYields = 1024

// MoveAway moves this thread to another core than the one on which the owner of
// peer was last, if both have had to yield for long and are on the same one: the
// kernel puts a process that was woken beside the one that has woken it, and leaves
// it there while each yields to the other. The owner of b calls it after a Look.
func (b *Doorbell) MoveAway(peer *Doorbell) {
	if b.yielded >= leaveAfter {
		b.yielded = 0
		moveFrom(peer.core.load(), b.core)
	}
}

// Look waits until ready reports true, but not longer than waking a sleeper
// takes here, or up to eight times as long where that would have spared sleeps
// lately, nor than most; it reports what ready said last. It does so in two
// steps: about a microsecond of looking, less where that was for nothing lately,
// as it is if the peer needs this core; then looking between yields, to the peer
// if it wants this core, and to other goroutines where they have no other
// processor (with one, the scheduler would move this goroutine over there, onto
// the core that the peer needs). ready must be cheap and is called by this
// goroutine alone.
func (b *Doorbell) Look(ready func() bool, most time.Duration) bool {
	step := spins()
	if b.looks++; b.looks%fullSpinEvery != 0 {
		step >>= min(b.misses, 5)
	}
	for range step + 1 {
		if ready() {
			b.misses, b.yielded = 0, 0
			return true
		}
		pause(pausesPerLook)
	}
	b.misses++
	began, alone := time.Now(), b.local != nil || runtime.GOMAXPROCS(0) == 1
	yields := min(WakeTime()<<b.spinLevel, most)
	for n := 0; time.Since(began) < yields && (b.local == nil || n < maxYields); n++ {
		if alone {
			runtime.Gosched()
		}
		schedYield()
		if ready() {
			if b.yielded++; b.yielded%leaveAfter == 0 {
				b.core.store(currentCore() + 1)
			}
			return true
		}
	}
	b.yielded = 0
	return false
}

// Sleep is the last step of Wait: a system call of which the Go scheduler knows,
// so that other goroutines run meanwhile.
//
// Either the notifying side, which has published first, finds asleep set and wakes, or
// ready finds what was published; and a wake between the look and the sleep has
// changed the count of notifications, so that the kernel does not begin it.
func (b *Doorbell) Sleep(ready func() bool, most time.Duration) bool {
	seen, began := b.notified.load(), time.Now()
	b.asleep.store(1)
	if !ready() {
		if b.local != nil {
			b.sleepLocal(most)
		} else {
			futexWait(b.notified, seen, most)
		}
	}
	b.asleep.store(0)
	came := ready()
	switch slept, wake := time.Since(began), time.Duration(knownWake.Load()); {
	case came && slept < 16*wake:
		b.spinLevel = min(b.spinLevel+1, maxSpinLevel)
	case slept > 32*wake && b.spinLevel > 0:
		b.spinLevel--
	}
	return came
}

func (b *Doorbell) sleepLocal(most time.Duration) {
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-b.local:
	case <-timer.C:
	}
}
