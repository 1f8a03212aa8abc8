package pipeline

import (
	"context"
	"math"
	"sync"
	"time"
)

const maxInt64 = math.MaxInt64

// A budget is the bytes in flight of one run. Before the source's items and before
// each stage there is a gate. Only gates wait: what is past one is charged with the
// result to come, and may grow when that is there.
//
// A gate opens where the charge is within its limit, or where nothing is past it. So
// there is no standstill: of the items in flight take those that are farthest. They
// are on their way through a stage or write, and so come on or leave; or they are
// before a gate past which there is nothing, and it opens. And as one item at a time
// passes a gate that way, one is above the limit. Later gates have higher limits:
// else a fast source took all there is, and the stages were left with that one.
type budget struct {
	mu     sync.Mutex
	used   int64
	high   int64 // the most it was
	inside []int // items past a gate and not past the next
	gates  []gate
}

// A gate has one caller at a time: so those pass it in the order in which they came.
type gate struct {
	limit   int64
	waiting bool
	charge  int64 // of who waits
	ready   chan struct{}
	waits   busyClock
}

func newBudget(most int64, gates int) *budget {
	b := &budget{inside: make([]int, gates), gates: make([]gate, gates)}
	for k := range b.gates { // from half of it to all of it
		share := float64(gates-1+k) / float64(max(2*(gates-1), 1))
		b.gates[k] = gate{limit: max(int64(share*float64(most)), 1), ready: make(chan struct{}, 1)}
	}
	b.gates[gates-1].limit = most
	return b
}

// enter takes an item through gate k and charges so many bytes more for it.
func (b *budget) enter(ctx context.Context, k int, charge int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	b.mu.Lock()
	g := &b.gates[k]
	if b.openLocked(k, charge) {
		b.passLocked(k, charge)
		b.mu.Unlock()
		return nil
	}
	g.waiting, g.charge = true, charge
	g.waits.enter(time.Now())
	b.mu.Unlock()
	select {
	case <-g.ready:
		return nil
	case <-ctx.Done():
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !g.waiting { // it opened meanwhile
		<-g.ready
		return nil
	}
	g.waiting = false
	g.waits.leave(time.Now())
	return ctx.Err()
}

func (b *budget) openLocked(k int, charge int64) bool {
	if charge <= b.gates[k].limit-b.used { // the sum could overflow
		return true
	}
	for _, n := range b.inside[k:] {
		if n > 0 {
			return false
		}
	}
	return true
}

func (b *budget) passLocked(k int, charge int64) {
	b.inside[k]++
	if k > 0 {
		b.inside[k-1]--
	}
	b.chargeLocked(charge)
}

func (b *budget) chargeLocked(bytes int64) {
	b.used += bytes
	b.high = max(b.high, b.used)
}

// change adds bytes, which may be negative, to the charge of an item, and lets in those
// that fit now.
func (b *budget) change(bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.chargeLocked(bytes)
	b.settleLocked()
}

// leave ends the charge of an item that is past gate k.
func (b *budget) leave(k int, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.inside[k]--
	b.used -= bytes
	b.settleLocked()
}

// settleLocked opens gates, the last first: what is farthest frees memory soonest.
func (b *budget) settleLocked() {
	for k := len(b.gates) - 1; k >= 0; k-- {
		if g := &b.gates[k]; g.waiting && b.openLocked(k, g.charge) {
			g.waiting = false
			g.waits.leave(time.Now())
			b.passLocked(k, g.charge)
			g.ready <- struct{}{}
		}
	}
}

// waited is the time during which at least one goroutine waited at gate k.
func (b *budget) waited(k int) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.gates[k].waits.at(time.Now())
}
