package ring

import (
	"encoding/binary"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The layout is what doc.go draws: another program may be on the other side.
const (
	_ = uint(tailAt - 0)
	_ = uint(0 - tailAt)
	_ = uint(headAt - 64)
	_ = uint(64 - headAt)
	_ = uint(slotsAt - 128)
	_ = uint(128 - slotsAt)
	_ = uint(SlotBytes - 64)
	_ = uint(64 - SlotBytes)
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

func numbered(n uint64) (s Slot) {
	for i := 0; i < SlotBytes; i += 8 {
		binary.LittleEndian.PutUint64(s[i:], n)
	}
	return s
}

func TestLayout(t *testing.T) {
	p, c, mem := pair(t, 4)
	one := numbered(0x0102030405060708)
	require.True(t, p.Put(&one))
	require.Zero(t, mem[0], "seen before Publish")
	p.Publish()
	require.Equal(t, byte(1), mem[tailAt])
	require.Equal(t, one[:], mem[slotsAt:slotsAt+SlotBytes])
	var got Slot
	require.True(t, c.Take(&got))
	require.Equal(t, one, got)
	require.Zero(t, mem[headAt], "given back before Release")
	c.Release()
	require.Equal(t, byte(1), mem[headAt])
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
	_, err = NewBell(make([]byte, 63))
	require.Error(t, err)
	_, err = NewProducer(alignedHeap(Size(1)))
	require.NoError(t, err)
}

func TestFullAndEmpty(t *testing.T) {
	for _, slots := range []int{1, 2, 8} {
		p, c, _ := pair(t, slots)
		var s Slot
		for round := range uint64(5) {
			require.False(t, c.Ready())
			require.False(t, c.Take(&s))
			require.Equal(t, slots, p.Room())
			for i := range uint64(slots) {
				in := numbered(round*100 + i)
				require.True(t, p.Put(&in))
			}
			require.False(t, p.Put(&s), "full")
			require.False(t, c.Ready(), "not published")
			p.Publish()
			for i := range uint64(slots) {
				require.True(t, c.Ready())
				require.True(t, c.Take(&s))
				require.Equal(t, numbered(round*100+i), s)
			}
			require.Zero(t, p.Room(), "not given back")
			c.Release()
		}
		require.NoError(t, p.Err())
		require.NoError(t, c.Err())
	}
}

// Indices count modulo 2³²: nothing happens where they wrap.
func TestIndicesWrap(t *testing.T) {
	p, c, mem := pair(t, 4)
	start := ^uint32(0) - 5
	p.tail, p.head, c.tail, c.head = start, start, start, start
	wordAt(mem, tailAt).store(start)
	wordAt(mem, headAt).store(start)
	var s Slot
	for i := range uint64(20) {
		in := numbered(i)
		require.True(t, p.Put(&in))
		p.Publish()
		require.True(t, c.Take(&s))
		require.Equal(t, in, s)
		c.Release()
	}
	require.Equal(t, start+20, wordAt(mem, headAt).load())
}

// Both ends at once, with batches of random sizes: everything arrives once, in
// order and whole.
func TestConcurrently(t *testing.T) {
	n := uint64(300_000)
	if testing.Short() || raceEnabled {
		n = 10_000
	}
	for _, slots := range []int{1, 4, 256} {
		p, c, _ := pair(t, slots)
		done := make(chan uint64)
		go func() {
			rnd := rand.New(rand.NewPCG(1, 1))
			var s Slot
			for want := uint64(0); want < n; {
				taken := false
				for range 1 + rnd.IntN(slots) {
					if !c.Take(&s) {
						break
					}
					if taken = true; s != numbered(want) {
						done <- want
						return
					}
					want++
				}
				if taken {
					c.Release()
				} else {
					runtime.Gosched()
				}
			}
			done <- n
		}()
		rnd := rand.New(rand.NewPCG(2, 2))
		for i := uint64(0); i < n; {
			put := false
			for range 1 + rnd.IntN(slots) {
				s := numbered(i)
				if i == n || !p.Put(&s) {
					break
				}
				put = true
				i++
			}
			if put {
				p.Publish()
			} else {
				runtime.Gosched()
			}
		}
		require.Equal(t, n, <-done, "slots %d", slots)
		require.NoError(t, p.Err())
		require.NoError(t, c.Err())
	}
}

// An index that cannot be makes the ring useless, for good, and nothing else.
func TestCorruptIndices(t *testing.T) {
	for _, bad := range []uint32{5, 100, ^uint32(0), 1 << 31} {
		p, c, mem := pair(t, 4)
		wordAt(mem, tailAt).store(bad)
		var s Slot
		require.False(t, c.Take(&s))
		require.ErrorIs(t, c.Err(), ErrCorrupt)
		wordAt(mem, tailAt).store(1)
		require.False(t, c.Ready())
		require.False(t, c.Take(&s))

		for range 4 {
			require.True(t, p.Put(&s))
		}
		wordAt(mem, headAt).store(bad)
		require.False(t, p.Put(&s))
		require.ErrorIs(t, p.Err(), ErrCorrupt)
		wordAt(mem, headAt).store(1)
		require.False(t, p.Put(&s))
		require.Zero(t, p.Room())
	}
	p, _, mem := pair(t, 4)
	var s Slot
	for range 4 {
		p.Put(&s)
	}
	wordAt(mem, headAt).store(2)
	require.True(t, p.Put(&s))
	require.True(t, p.Put(&s))
	wordAt(mem, headAt).store(1) // back
	require.False(t, p.Put(&s))
	require.ErrorIs(t, p.Err(), ErrCorrupt)
}

// Whatever is in the memory, and is written there meanwhile, both ends answer
// at once, never panic and never move past what their ring holds.
func FuzzMemory(f *testing.F) {
	f.Add([]byte{}, uint8(2), uint64(1))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, uint8(0), uint64(7))
	f.Fuzz(func(t *testing.T, junk []byte, log uint8, seed uint64) {
		slots := 1 << (log % 6)
		p, c, mem := pair(t, slots)
		rnd := rand.New(rand.NewPCG(seed, 0))
		var s Slot
		for len(junk) > 0 {
			n := copy(mem[rnd.IntN(len(mem)):], junk[:min(len(junk), 1+rnd.IntN(8))])
			junk = junk[n:]
			taken, put := 0, 0
			for c.Take(&s) {
				taken++
			}
			for p.Put(&s) {
				put++
			}
			// What was known before a look at the peer's index, and a whole ring after it.
			if taken > 2*slots || put > 2*slots {
				t.Fatalf("took %d and put %d at once in a ring of %d", taken, put, slots)
			}
			if p.tail-p.head > uint32(slots) || c.tail-c.head > uint32(slots) {
				t.Fatalf("producer at %d of %d, consumer at %d of %d in a ring of %d", p.tail, p.head, c.head, c.tail, slots)
			}
			c.Release()
			p.Publish()
		}
	})
}

// A ring ends at random moments of the sleeper's way to sleep: none is lost, or
// a Wait would take its whole bound.
func TestNoWakeUpIsLost(t *testing.T) {
	const bound = 20 * time.Second
	p, c, _ := pair(t, 64)
	bell, err := NewBell(alignedHeap(BellBytes))
	require.NoError(t, err)
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
			s := numbered(i)
			for !p.Put(&s) {
				runtime.Gosched()
			}
			p.Publish()
			bell.Ring()
		}
	}()
	var s Slot
	for want := range n {
		for !c.Take(&s) {
			if want%2 == 0 { // every other one goes to sleep at once
				bell.sleep(c.Ready, bound)
			} else {
				bell.Wait(c.Ready, bound)
			}
		}
		require.Equal(t, numbered(want), s)
		c.Release()
	}
	require.Less(t, time.Since(began), bound, "a wake-up was lost")
	require.Zero(t, bell.asleep.load())
}

// A Wait ends by its bound, or by Wake.
func TestWaitEnds(t *testing.T) {
	bell, err := NewBell(alignedHeap(BellBytes))
	require.NoError(t, err)
	never := func() bool { return false }
	require.False(t, bell.Wait(never, 0))
	require.False(t, bell.Wait(never, 5*time.Millisecond))
	done := make(chan bool)
	go func() { done <- bell.Wait(never, time.Hour) }()
	for bell.asleep.load() == 0 {
		time.Sleep(time.Millisecond)
	}
	for ended := false; !ended; {
		bell.Wake()
		select {
		case ready := <-done:
			ended = true
			require.False(t, ready)
		case <-time.After(time.Millisecond): // it had not slept yet
		}
	}
	require.True(t, bell.Wait(func() bool { return true }, time.Hour))
}

func TestCalibration(t *testing.T) {
	require.Positive(t, spins())
	require.GreaterOrEqual(t, wakeTime(), leastWake)
	require.LessOrEqual(t, wakeTime(), mostWake)
	t.Logf("%d looks in %v, a wake takes %v", spins(), spinTime, wakeTime())
}
