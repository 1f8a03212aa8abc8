package ring

import (
	"errors"
	"fmt"
)

// SlotBytes is the size of a record: a cache line.
const SlotBytes = 64

// A Slot is one record.
type Slot [SlotBytes]byte

const (
	tailAt  = 0
	headAt  = 64
	slotsAt = 128
)

// MaxSlots is the most slots of a ring.
const MaxSlots = 1 << 20

// ErrCorrupt: the other side has published an index that cannot be. The ring is
// of no use any more.
var ErrCorrupt = errors.New("ring: the peer's index is outside of the ring")

// Size is how many bytes a ring of that many slots takes.
func Size(slots int) int { return slotsAt + slots*SlotBytes }

// check says whether mem holds a ring, and of how many slots.
func check(mem []byte) (slots uint32, err error) {
	n := (len(mem) - slotsAt) / SlotBytes
	if n < 1 || n > MaxSlots || n&(n-1) != 0 || len(mem) != Size(n) {
		return 0, fmt.Errorf("ring: %d bytes, expected those of a power of two of slots, at most %d", len(mem), MaxSlots)
	}
	if !aligned(mem) {
		return 0, errors.New("ring: the memory does not begin at a cache line")
	}
	return uint32(n), nil
}

// A Producer is the end that sends.
type Producer struct {
	end
	tail uint32 // published and not yet published slots
	head uint32 // the consumer's, as last seen
}

// A Consumer is the end that receives.
type Consumer struct {
	end
	head uint32
	tail uint32 // the producer's, as last seen
}

// An end is what both have.
type end struct {
	own, peer word // indices in shared memory
	slots     []byte
	size      uint32
	err       error
}

func newEnd(mem []byte, own, peer int) (end, error) {
	size, err := check(mem)
	if err != nil {
		return end{}, err
	}
	return end{own: wordAt(mem, own), peer: wordAt(mem, peer), slots: mem[slotsAt:], size: size}, nil
}

// slot is the memory of slot number i.
func (e *end) slot(i uint32) *Slot {
	at := int(i&(e.size-1)) * SlotBytes
	return (*Slot)(e.slots[at : at+SlotBytes])
}

// NewProducer is the sending end of the ring in mem: zeroed, Size(n) bytes,
// beginning at a cache line, mapped for as long as the Producer is used. There is
// one in all processes together.
func NewProducer(mem []byte) (*Producer, error) {
	e, err := newEnd(mem, tailAt, headAt)
	return &Producer{end: e}, err
}

// NewConsumer is the receiving end, as [NewProducer] is the sending one.
func NewConsumer(mem []byte) (*Consumer, error) {
	e, err := newEnd(mem, headAt, tailAt)
	return &Consumer{end: e}, err
}

// Put writes a record, which the consumer sees after Publish. It reports
// whether there was room; with false, Err tells a full ring (nil) from a useless one.
func (p *Producer) Put(s *Slot) bool {
	if p.tail-p.head >= p.size && !p.look() {
		return false
	}
	*p.slot(p.tail) = *s
	p.tail++
	return true
}

// look loads the consumer's index and reports whether there is room.
func (p *Producer) look() bool {
	if p.err != nil {
		return false
	}
	head := p.peer.load()
	if p.tail-head > p.tail-p.head { // it went back, or past what was put
		p.err = ErrCorrupt
		return false
	}
	p.head = head
	return p.tail-head < p.size
}

// Publish lets the consumer see all that was put: once for a batch, because each
// time a cache line goes to another core.
func (p *Producer) Publish() { p.own.store(p.tail) }

// Room is how many records can be put at least.
func (p *Producer) Room() int {
	if p.tail-p.head >= p.size {
		p.look()
	}
	return int(p.size - (p.tail - p.head))
}

// Err is [ErrCorrupt] once the consumer's index was found wrong, else nil.
func (p *Producer) Err() error { return p.err }

// Take copies the next record to s and reports whether there was one; with
// false, Err tells an empty ring (nil) from a useless one. The slot can be used
// again after Release.
func (c *Consumer) Take(s *Slot) bool {
	if c.head == c.tail && !c.look() {
		return false
	}
	*s = *c.slot(c.head)
	c.head++
	return true
}

// look loads the producer's index and reports whether there is a record.
func (c *Consumer) look() bool {
	if c.err != nil {
		return false
	}
	tail := c.peer.load()
	if tail-c.head > c.size {
		c.err = ErrCorrupt
		return false
	}
	c.tail = tail
	return tail != c.head
}

// Ready reports whether Take would return a record.
func (c *Consumer) Ready() bool { return c.head != c.tail || c.look() }

// Release gives the slots of all records taken back to the producer: once for a batch.
func (c *Consumer) Release() { c.own.store(c.head) }

// Err is [ErrCorrupt] once the producer's index was found wrong, else nil.
func (c *Consumer) Err() error { return c.err }
