package ring

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// pausesPerLook counts the PAUSE instructions between two looks.
const pausesPerLook = 1

// spinTime is the first step of a Wait. A peer that answers at once does so
// within it; one that does not will not for many times as long.
const spinTime = time.Microsecond

// maxSpinLevel bounds Look to eight times the wake time.
const maxSpinLevel = 3

// fullSpinEvery is after how many Looks one takes the whole spinTime although the
// last ones were for nothing. If each took it, a round trip between processes that
// share a core would take 1.7 times as long: pool's
// BenchmarkHot/op=roundtrip/workers=2/beside=wait.
const fullSpinEvery = 8

// spins is the number of looks that take spinTime on this machine, measured once.
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
	minWake = 20 * time.Microsecond
	maxWake = 100 * time.Microsecond
)

// knownWake is the wake time that was measured, here or by another process; 0 if none.
var knownWake atomic.Int64

// WakeTime is what waking a sleeping thread takes here: how long Look looks. It
// is measured once, which takes about a millisecond.
func WakeTime() time.Duration {
	if d := knownWake.Load(); d != 0 {
		return time.Duration(d)
	}
	d := measuredWake()
	knownWake.Store(int64(d))
	return d
}

// SetWakeTime is for a process whose peer on the same machine has measured it.
func SetWakeTime(d time.Duration) { knownWake.Store(int64(min(max(d, minWake), maxWake))) }

// measureTime bounds the measurement, on a machine that has other things to do.
const measureTime = 20 * time.Millisecond

var measuredWake = sync.OnceValue(func() time.Duration {
	there, err := NewDoorbell(doorbellMemory())
	back, err2 := NewDoorbell(doorbellMemory())
	if err != nil || err2 != nil {
		return minWake
	}
	const rounds = 15
	until := time.Now().Add(measureTime)
	rung := func(b *Doorbell, round int) func() bool {
		return func() bool { return b.notified.load() > uint32(round) }
	}
	sleep := func(b *Doorbell, round int) bool { // which may end too early
		for ready := rung(b, round); time.Now().Before(until); {
			if b.Sleep(ready, time.Until(until)) {
				return true
			}
		}
		return false
	}
	var ended sync.WaitGroup
	ended.Go(func() {
		for i := 0; i < rounds && sleep(there, i); i++ {
			back.Wake()
		}
	})
	var took []time.Duration
	for i := range rounds {
		for there.asleep.load() == 0 && time.Now().Before(until) {
			time.Sleep(20 * time.Microsecond)
		}
		began := time.Now()
		there.Wake()
		if !sleep(back, i) {
			break
		}
		took = append(took, time.Since(began)/2)
	}
	ended.Wait()
	if len(took) == 0 {
		return maxWake
	}
	slices.Sort(took)
	return min(max(took[len(took)/2], minWake), maxWake)
})

// doorbellMemory is memory for a doorbell of this process.
func doorbellMemory() []byte {
	mem := make([]byte, 2*DoorbellBytes)
	for at := range DoorbellBytes {
		if aligned(mem[at:]) {
			return mem[at : at+DoorbellBytes : at+DoorbellBytes]
		}
	}
	return nil
}
