package ring

import (
	"slices"
	"sync"
	"time"
)

// pausesPerLook is how often the processor is told to wait between two looks.
const pausesPerLook = 1

// spinTime is the first step of a Wait. A peer that answers at once does so
// within it; one that does not will not for many times as long.
const spinTime = time.Microsecond

// spins is how many looks fit into spinTime on this machine.
var spins = sync.OnceValue(func() int {
	const looks = 1000
	took := time.Duration(1 << 62)
	for range 5 { // the shortest was not interrupted
		began := time.Now()
		for range looks {
			pause(pausesPerLook)
		}
		took = min(took, time.Since(began))
	}
	return max(int(looks*spinTime/max(took, 1)), 1)
})

// What waking takes is measured between these bounds, so that no odd moment
// of the machine makes every Wait burn a core, or sleep at once.
const (
	leastWake = 10 * time.Microsecond
	mostWake  = 100 * time.Microsecond
)

// wakeTime is what waking a sleeping thread takes here, measured once.
var wakeTime = sync.OnceValue(func() time.Duration {
	there, err := NewBell(make([]byte, BellBytes))
	back, err2 := NewBell(make([]byte, BellBytes))
	if err != nil || err2 != nil {
		return leastWake
	}
	const rounds = 21
	rung := func(b *Bell, round int) func() bool { return func() bool { return b.rings.load() > uint32(round) } }
	go func() {
		for i := range rounds {
			there.Sleep(rung(there, i), time.Second)
			back.Wake()
		}
	}()
	var took []time.Duration
	for i := range rounds {
		for there.asleep.load() == 0 {
			time.Sleep(20 * time.Microsecond)
		}
		time.Sleep(20 * time.Microsecond) // from the word to the sleep
		began := time.Now()
		there.Wake()
		back.Sleep(rung(back, i), time.Second)
		took = append(took, time.Since(began)/2)
	}
	slices.Sort(took)
	return min(max(took[len(took)/2], leastWake), mostWake)
})
