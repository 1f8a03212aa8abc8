package ring

import (
	"bytes"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The layout is what doc.go draws: another program may be on the other side.
const (
	_ = uint(startedAt - 0)
	_ = uint(0 - startedAt)
	_ = uint(headAt - 4)
	_ = uint(4 - headAt)
	_ = uint(slotsAt - 64)
	_ = uint(64 - slotsAt)
	_ = uint(SlotBytes - 64)
	_ = uint(64 - SlotBytes)
	_ = uint(markAt - 0)
	_ = uint(0 - markAt)
	_ = uint(wordOff - 4)
	_ = uint(4 - wordOff)
	_ = uint(firstAt - 8)
	_ = uint(8 - firstAt)
	_ = uint(nextAt - 4)
	_ = uint(4 - nextAt)
	_ = uint(revokedFlag - 1<<16)
	_ = uint(1<<16 - revokedFlag)
)

// pair is both ends of a ring on the heap, where the race detector looks.
func pair(t testing.TB, slots int) (*Producer, *Consumer, []byte) {
	t.Helper()
	mem := alignedHeap(Size(slots))
	p, err := NewProducer(mem)
	require.NoError(t, err)
	c, err := NewConsumer(mem)
	require.NoError(t, err)
	return p, c, mem
}

func alignedHeap(n int) []byte {
	mem := make([]byte, n+SlotBytes)
	for i := range SlotBytes {
		if aligned(mem[i:]) {
			return mem[i : i+n : i+n]
		}
	}
	panic("no cache line")
}

// numbered is a record of size bytes that says which it is, wherever one looks.
func numbered(n uint64, size int) []byte {
	s := make([]byte, size)
	for i := range s {
		s[i] = byte(n >> (i % 8 * 8))
	}
	return s
}

func put(p *Producer, record []byte) bool {
	_, ok := p.Put(record)
	return ok
}

// buffer is one for Take.
func buffer(c *Consumer) []byte { return make([]byte, c.MaxRecord()) }

func TestLayout(t *testing.T) {
	p, c, mem := pair(t, 8)
	buf := buffer(c)
	for lap := range 3 {
		one := numbered(uint64(lap), inlineBytes)
		number, ok := p.Put(one)
		require.True(t, ok)
		require.Equal(t, uint32(8*lap), number)
		require.NotEqual(t, byte(2*lap+1), mem[slotsAt], "seen before Publish")
		p.Publish()
		require.Equal(t, byte(2*lap+1), mem[slotsAt])
		require.Equal(t, []byte{inlineBytes, 0, 0, 0}, mem[slotsAt+4:slotsAt+8])
		require.Equal(t, one, mem[slotsAt+8:slotsAt+SlotBytes])
		got, revoked, ok := c.Start(buf)
		require.True(t, ok && !revoked)
		require.Equal(t, one, got)
		require.Equal(t, byte(8*lap+1), mem[startedAt])

		two := numbered(0xff<<56|uint64(lap), inlineBytes+61)
		number, ok = p.Put(two)
		require.True(t, ok)
		p.Publish()
		at := slotsAt + SlotBytes
		require.Equal(t, byte(2*lap+1), mem[at])
		require.Equal(t, two[:56], mem[at+8:at+64])
		require.Equal(t, []byte{0, 0, 0, 0}, mem[at+64:at+68])
		require.Equal(t, two[56:116], mem[at+68:at+128])
		require.Equal(t, []byte{0, 0, 0, 0, two[116]}, mem[at+128:at+133])
		require.True(t, p.Revoke(number))
		require.Equal(t, []byte{inlineBytes + 61, 0, 1, 0}, mem[at+4:at+8])
		require.False(t, p.Started(number))
		got, revoked, ok = c.Start(buf)
		require.True(t, ok && revoked)
		require.Equal(t, two, got)
		require.True(t, p.Started(number))
		require.False(t, p.Revoke(number))
		require.Equal(t, byte(8*lap+4), mem[headAt])

		for range 4 {
			require.True(t, put(p, nil))
		}
		p.Publish()
		for range 4 {
			got, ok = c.Take(buf)
			require.True(t, ok)
			require.Empty(t, got)
		}
	}
}

func TestRingRefusesMemory(t *testing.T) {
	for _, n := range []int{0, 1, slotsAt, Size(1) - 1, Size(1) + 1, Size(3), Size(2 * MaxSlots)} {
		_, err := NewProducer(alignedHeap(n))
		require.Error(t, err, n)
		_, err = NewConsumer(alignedHeap(n))
		require.Error(t, err, n)
	}
	mem := alignedHeap(Size(2) + 8)
	_, err := NewProducer(mem[8:])
	require.ErrorContains(t, err, "cache line")
	_, err = NewDoorbell(make([]byte, 63))
	require.Error(t, err)
	_, err = NewProducer(alignedHeap(Size(1)))
	require.NoError(t, err)
}

func TestFullAndEmpty(t *testing.T) {
	for _, slots := range []int{1, 2, 8} {
		p, c, _ := pair(t, slots)
		buf := buffer(c)
		for round := range uint64(5) {
			require.False(t, c.Ready())
			_, ok := c.Take(buf)
			require.False(t, ok)
			for i := range uint64(slots) {
				require.True(t, p.Fits(inlineBytes))
				require.True(t, put(p, numbered(round*100+i, 9)))
			}
			require.False(t, p.Fits(0))
			require.False(t, put(p, nil), "full")
			require.False(t, c.Ready(), "not published")
			p.Publish()
			for i := range uint64(slots) {
				require.True(t, c.Ready())
				got, ok := c.Take(buf)
				require.True(t, ok)
				require.Equal(t, numbered(round*100+i, 9), got)
			}
		}
		require.NoError(t, p.Err())
		require.NoError(t, c.Err())
		require.True(t, put(p, make([]byte, p.MaxRecord())))
		require.Panics(t, func() { p.Put(make([]byte, p.MaxRecord()+1)) })
	}
}

// Numbers count modulo 2³², marks too: nothing happens where they wrap.
func TestNumbersWrap(t *testing.T) {
	for _, start := range []uint64{1<<32 - 8, 1<<33 - 8, 1<<34 - 8} {
		p, c, mem := pair(t, 4)
		p.tail, p.sent, p.freed, c.next, c.freed = start, start, start, start, start
		wordAt(mem, headAt).store(uint32(start))
		wordAt(mem, startedAt).store(uint32(start))
		for i := range 4 { // as the lap before has left them
			wordAt(mem, slotsAt+i*SlotBytes).store(p.mark(start - 4))
		}
		buf := buffer(c)
		for i := range uint64(20) {
			number, ok := p.Put(numbered(i, 20))
			require.True(t, ok)
			require.Equal(t, uint32(start+i), number)
			require.False(t, c.Ready())
			p.Publish()
			require.Equal(t, i%2 == 0, i%2 == 0 && p.Revoke(number))
			got, revoked, ok := c.Start(buf)
			require.True(t, ok)
			require.Equal(t, i%2 == 0, revoked)
			require.Equal(t, numbered(i, 20), got)
			require.True(t, p.Started(number))
			require.False(t, p.Started(number+1))
		}
		require.Equal(t, uint32(start+20), wordAt(mem, headAt).load())
	}
}

// Both ends at once, with batches and records of random sizes, some of them
// taken back: everything arrives once, in order and whole, and what was certainly
// taken back arrives so.
func TestConcurrently(t *testing.T) {
	n := uint64(300_000)
	if testing.Short() || raceEnabled {
		n = 10_000
	}
	for _, slots := range []int{1, 4, 256} {
		p, c, _ := pair(t, slots)
		size := func(i uint64) int { return int(i*i) % min(c.MaxRecord(), 300) }
		certain := make([]atomic.Bool, n)
		done := make(chan uint64)
		var wrong atomic.Uint64
		go func() {
			buf := buffer(c)
			for want := uint64(0); want < n; {
				got, revoked, ok := c.Start(buf)
				if !ok {
					runtime.Gosched()
					continue
				}
				if !bytes.Equal(got, numbered(want, size(want))) {
					done <- want
					return
				}
				if !revoked {
					runtime.Gosched() // time for the producer to say that it was certain
					if certain[want].Load() {
						wrong.Add(1)
					}
				}
				want++
			}
			done <- n
		}()
		rnd := rand.New(rand.NewPCG(2, 2))
		for i := uint64(0); i < n; {
			before := i
			var numbers []uint32
			for range 1 + rnd.IntN(slots) {
				if i == n {
					break
				}
				number, ok := p.Put(numbered(i, size(i)))
				if !ok {
					break
				}
				numbers = append(numbers, number)
				i++
			}
			p.Publish()
			for k, number := range numbers {
				if rnd.IntN(4) == 0 && p.tail-p.freed <= p.size && !p.Started(number) && p.Revoke(number) {
					certain[before+uint64(k)].Store(true)
				}
			}
			if i == before {
				runtime.Gosched()
			}
		}
		require.Equal(t, n, <-done, "slots %d", slots)
		require.Zero(t, wrong.Load())
		require.NoError(t, p.Err())
		require.NoError(t, c.Err())
	}
}

// A word that cannot be makes the ring useless, for good, and nothing else.
func TestCorruptWords(t *testing.T) {
	for _, bad := range []uint32{2, 3, 5, 100, 1 << 31} { // in the first lap: 0, or 1
		p, c, mem := pair(t, 4)
		buf := buffer(c)
		wordAt(mem, slotsAt).store(bad)
		require.True(t, c.Ready())
		_, ok := c.Take(buf)
		require.False(t, ok)
		require.ErrorIs(t, c.Err(), ErrCorrupt)
		wordAt(mem, slotsAt).store(1)
		require.False(t, c.Ready())
		_, ok = c.Take(buf)
		require.False(t, ok)

		for range 4 {
			require.True(t, put(p, nil))
		}
		p.Publish()
		wordAt(mem, headAt).store(bad + 3)
		require.False(t, put(p, nil))
		require.ErrorIs(t, p.Err(), ErrCorrupt)
		wordAt(mem, headAt).store(1)
		require.False(t, put(p, nil))
		require.False(t, p.Fits(0))
	}
	p, c, mem := pair(t, 4)
	require.True(t, put(p, nil))
	p.Publish()
	wordAt(mem, slotsAt+wordOff).store(uint32(c.MaxRecord()) + 1)
	_, _, ok := c.Start(buffer(c))
	require.False(t, ok)
	require.ErrorIs(t, c.Err(), ErrCorrupt)

	p, _, mem = pair(t, 4)
	for range 4 {
		put(p, nil)
	}
	p.Publish()
	wordAt(mem, headAt).store(2)
	require.True(t, put(p, nil))
	require.True(t, put(p, nil))
	p.Publish()
	wordAt(mem, headAt).store(1) // back
	require.False(t, put(p, nil))
	require.ErrorIs(t, p.Err(), ErrCorrupt)
}

// Whatever is in the memory, and is written there meanwhile, both ends answer
// at once, never panic and never move past what their ring holds.
func FuzzMemory(f *testing.F) {
	f.Add([]byte{}, uint8(2), uint64(1))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, uint8(0), uint64(7))
	f.Add([]byte{1, 0, 0, 0, 200, 0, 0, 0}, uint8(4), uint64(7))
	f.Fuzz(func(t *testing.T, junk []byte, log uint8, seed uint64) {
		slots := 1 << (log % 6)
		p, c, mem := pair(t, slots)
		buf := buffer(c)
		rnd := rand.New(rand.NewPCG(seed, 0))
		for len(junk) > 0 {
			n := copy(mem[rnd.IntN(len(mem)/4)*4:], junk[:min(len(junk), 1+rnd.IntN(8))])
			junk = junk[n:]
			taken, wrote := 0, 0
			for {
				got, _, ok := c.Start(buf)
				if !ok {
					break
				}
				if taken++; len(got) > c.MaxRecord() {
					t.Fatalf("%d bytes", len(got))
				}
			}
			for put(p, junk[:min(len(junk), rnd.IntN(p.MaxRecord()+1))]) {
				wrote++
			}
			// What was known before a look at the peer's index, and a whole ring after it.
			if taken > 2*slots || wrote > 2*slots {
				t.Fatalf("took %d and put %d at once in a ring of %d", taken, wrote, slots)
			}
			if p.tail-p.freed > uint64(slots) || c.next-c.freed > uint64(slots) {
				t.Fatalf("producer at %d of %d, consumer at %d of %d in a ring of %d", p.tail, p.freed, c.freed, c.next, slots)
			}
			p.Revoke(uint32(rnd.Uint64()))
			p.Started(uint32(rnd.Uint64()))
			p.Publish()
		}
	})
}

// A ring ends at random moments of the sleeper's way to sleep: none is lost, or
// a Wait would take its whole bound.
func TestNoWakeUpIsLost(t *testing.T) {
	doorbell, err := NewDoorbell(alignedHeap(DoorbellBytes))
	require.NoError(t, err)
	t.Run("shared", func(t *testing.T) { loseNone(t, doorbell) })
	t.Run("local", func(t *testing.T) { loseNone(t, NewLocalDoorbell()) })
}

func loseNone(t *testing.T, doorbell *Doorbell) {
	const bound = 20 * time.Second
	p, c, _ := pair(t, 64)
	n := uint64(20_000)
	if raceEnabled {
		n = 1_000
	}
	began := time.Now()
	go func() {
		rnd := rand.New(rand.NewPCG(3, 3))
		for i := range n {
			for until := time.Now().Add(time.Duration(rnd.IntN(60)) * time.Microsecond); time.Now().Before(until); {
				if rnd.IntN(4) == 0 {
					runtime.Gosched()
				}
			}
			for !put(p, numbered(i, 16)) {
				runtime.Gosched()
			}
			p.Publish()
			doorbell.Notify()
		}
	}()
	buf := buffer(c)
	for want := range n {
		got, ok := c.Take(buf)
		for ; !ok; got, ok = c.Take(buf) {
			if want%2 == 0 { // every other one goes to sleep at once
				doorbell.Sleep(c.Ready, bound)
			} else {
				doorbell.Wait(c.Ready, bound)
			}
		}
		require.Equal(t, numbered(want, 16), got)
	}
	require.Less(t, time.Since(began), bound, "a wake-up was lost")
	require.Zero(t, doorbell.asleep.load())
}

// A Wait ends by its bound, or by Wake.
func TestWaitEnds(t *testing.T) {
	doorbell, err := NewDoorbell(alignedHeap(DoorbellBytes))
	require.NoError(t, err)
	never := func() bool { return false }
	require.False(t, doorbell.Wait(never, 0))
	require.False(t, doorbell.Wait(never, 5*time.Millisecond))
	done := make(chan bool)
	go func() { done <- doorbell.Wait(never, time.Hour) }()
	for doorbell.asleep.load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for ended := false; !ended; {
		doorbell.Wake()
		select {
		case ready := <-done:
			ended = true
			require.False(t, ready)
		case <-time.After(time.Millisecond): // it had not slept yet
		}
	}
	require.True(t, doorbell.Wait(func() bool { return true }, time.Hour))
}

func TestCalibration(t *testing.T) {
	require.Positive(t, spins())
	require.GreaterOrEqual(t, WakeTime(), minWake)
	require.LessOrEqual(t, WakeTime(), maxWake)
	t.Logf("%d looks in %v, a wake takes %v", spins(), spinTime, WakeTime())
	defer knownWake.Store(int64(WakeTime()))
	SetWakeTime(30 * time.Microsecond)
	require.Equal(t, 30*time.Microsecond, WakeTime())
	SetWakeTime(-1)
	require.Equal(t, minWake, WakeTime())
}

// BenchmarkLocal is what both ends cost where no line has to go anywhere.
func BenchmarkLocal(b *testing.B) {
	p, c, _ := pair(b, 256)
	record, buf := make([]byte, 24), buffer(c)
	for b.Loop() {
		p.Put(record)
		p.Publish()
		c.Take(buf)
	}
}
