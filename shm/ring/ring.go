package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// SlotBytes is the size of a slot: a cache line.
const SlotBytes = 64

// offsets within the header and within a slot
const (
	startedAt = 0
	headAt    = 4
	slotsAt   = 64

	markAt  = 0
	wordOff = 4
	firstAt = 8 // bytes of the record in its first slot
	nextAt  = 4 // in those that follow
)

// What fits into a record's first slot and into each that follows.
const (
	firstBytes = SlotBytes - firstAt
	nextBytes  = SlotBytes - nextAt
)

// inlineBytes is the size of the largest record that takes one slot.
const inlineBytes = firstBytes

const (
	lengthMask  = 1<<16 - 1
	revokedFlag = 1 << 16
)

// MaxSlots is the most slots of a ring.
const MaxSlots = 1 << 20

// ErrCorrupt: the memory holds values that no correct peer writes. Retrying does not help:
// end the peer and make a new ring.
var ErrCorrupt = errors.New("ring: the shared memory holds values that no correct peer writes")

// Size is the size in bytes of the memory of a ring. slots is a power of two, at most
// [MaxSlots].
func Size(slots int) int { return slotsAt + slots*SlotBytes }

// Slots is the number of slots that a record of n bytes takes, 1 or more.
func Slots(n int) int {
	if n <= firstBytes {
		return 1
	}
	return 1 + (n-firstBytes+nextBytes-1)/nextBytes
}

// check says whether mem holds a ring, and of how many slots.
func check(mem []byte) (slots int, err error) {
	n := (len(mem) - slotsAt) / SlotBytes
	if n < 1 || n > MaxSlots || n&(n-1) != 0 || len(mem) != Size(n) {
		return 0, fmt.Errorf("ring: %d bytes, expected those of a power of two of slots, at most %d", len(mem), MaxSlots)
	}
	if !aligned(mem) {
		return 0, errors.New("ring: the memory does not begin at a cache line")
	}
	return n, nil
}

// An end is the common part of Producer and Consumer.
type end struct {
	started, head word // the consumer's, in shared memory
	slots         []byte
	size          uint64
	lapBits       uint // binary logarithm of size
	maxRecord     int  // MaxRecord
	err           error
}

func newEnd(mem []byte) (end, error) {
	size, err := check(mem)
	if err != nil {
		return end{}, err
	}
	e := end{started: wordAt(mem, startedAt), head: wordAt(mem, headAt), slots: mem[slotsAt:], size: uint64(size)}
	for ; 1<<e.lapBits < size; e.lapBits++ {
	}
	e.maxRecord = min(firstBytes+(max(size/2, 1)-1)*nextBytes, lengthMask)
	return e, nil
}

// Err is [ErrCorrupt] once the other side was found to have written such values, else nil.
func (e *end) Err() error { return e.err }

// MaxRecord is the size of the largest record: half of the ring.
func (e *end) MaxRecord() int { return e.maxRecord }

// slot is the memory of slot number i.
func (e *end) slot(i uint64) *[SlotBytes]byte {
	at := int(i&(e.size-1)) * SlotBytes
	return (*[SlotBytes]byte)(e.slots[at : at+SlotBytes])
}

// mark is what commits slot number i: different from what any slot holds that
// was not written in this lap.
func (e *end) mark(i uint64) uint32 { return uint32(i>>e.lapBits)<<1 | 1 }

// A Producer is the end that sends.
type Producer struct {
	end
	tail        uint64   // slots put
	freed       uint64   // slots that the consumer has given back, as last seen
	sent        uint64   // slots published
	unpublished []uint64 // numbers of the records put and not yet published
}

// NewProducer is the sending end of the ring in mem: zeroed, Size(n) bytes,
// beginning at a cache line, mapped for as long as the Producer is used. There is
// one in all processes together.
func NewProducer(mem []byte) (*Producer, error) {
	e, err := newEnd(mem)
	return &Producer{end: e}, err
}

// Put writes a record of at most MaxRecord bytes, which the consumer sees after
// Publish, and returns its number. It reports whether there was room; with
// false, Err tells a full ring (nil) from a useless one.
func (p *Producer) Put(record []byte) (number uint32, ok bool) {
	if len(record) > p.maxRecord {
		panic(fmt.Sprintf("ring: a record of %d bytes, at most %d", len(record), p.MaxRecord()))
	}
	need := uint64(Slots(len(record)))
	if !p.fits(need) {
		return 0, false
	}
	first := p.slot(p.tail)
	binary.LittleEndian.PutUint32(first[wordOff:], uint32(len(record)))
	rest := record[copy(first[firstAt:], record):]
	for i := p.tail + 1; len(rest) > 0; i++ {
		s := p.slot(i)
		step("record-torn")
		binary.LittleEndian.PutUint32(s[markAt:], 0)
		rest = rest[copy(s[nextAt:], rest):]
	}
	number = uint32(p.tail)
	p.unpublished = append(p.unpublished, p.tail)
	p.tail += need
	return number, true
}

// fits reports whether there is room for that many slots.
func (p *Producer) fits(slots uint64) bool {
	return p.tail+slots-p.freed <= p.size || p.look() && p.tail+slots-p.freed <= p.size
}

// look loads the consumer's index.
func (p *Producer) look() bool {
	if p.err != nil {
		return false
	}
	freed := p.freed + uint64(p.head.load()-uint32(p.freed))
	if freed > p.sent { // past what was published, or back
		p.err = ErrCorrupt
		return false
	}
	p.freed = freed
	return true
}

// Publish lets the consumer see all that was put: once for a batch, so that the
// first record's cache line goes to the other core when the rest is ready.
func (p *Producer) Publish() {
	for i := len(p.unpublished) - 1; i >= 0; i-- {
		n := p.unpublished[i]
		wordIn(p.slot(n), markAt).store(p.mark(n))
	}
	p.unpublished = p.unpublished[:0]
	p.sent = p.tail
}

// Fits reports whether a record of n bytes can be put now.
func (p *Producer) Fits(n int) bool { return p.fits(uint64(Slots(n))) }

// Revoke marks a record, published or not, whose slots the consumer has not given back, as revoked.
// True means that the consumer, if it uses Start, will certainly see the mark. False means
// that the consumer had started the record already, and may or may not have seen it.
func (p *Producer) Revoke(number uint32) bool {
	wordIn(p.slot(uint64(number)), wordOff).or(revokedFlag)
	return !p.Started(number) && p.err == nil
}

// Started reports whether the consumer has started a published record. It is false where
// the consumer claims to have started what was not published: see Err.
func (p *Producer) Started(number uint32) bool {
	started := p.started.load()
	if uint32(p.sent)-started > uint32(2*p.size) { // at most a ring and one record behind what was published
		p.err = ErrCorrupt
		return false
	}
	return int32(started-number) > 0
}

// A Consumer is the end that receives.
type Consumer struct {
	end
	next  uint64 // slots taken
	freed uint64 // slots given back
}

// NewConsumer is the receiving end, as [NewProducer] is the sending one.
func NewConsumer(mem []byte) (*Consumer, error) {
	e, err := newEnd(mem)
	return &Consumer{end: e}, err
}

// Ready reports whether Take would return a record, or an error that is new.
func (c *Consumer) Ready() bool {
	mark := wordIn(c.slot(c.next), markAt).load()
	return mark != 0 && mark != c.mark(c.next)-2 && c.err == nil
}

// Take copies the next record into buf, which has room for MaxRecord bytes, and
// reports whether there was one; with false, Err tells an empty ring (nil) from a
// useless one. The record is the caller's for as long as buf is.
func (c *Consumer) Take(buf []byte) (record []byte, ok bool) {
	record, _, ok = c.take(buf, false)
	return record, ok
}

// Start is Take for a producer that may revoke records: from now on the producer can see
// that this one was started. revoked reports that it was revoked before, and must not be used.
func (c *Consumer) Start(buf []byte) (record []byte, revoked, ok bool) { return c.take(buf, true) }

func (c *Consumer) take(buf []byte, begin bool) (record []byte, revoked, ok bool) {
	if !c.Ready() {
		return nil, false, false
	}
	first := c.slot(c.next)
	if wordIn(first, markAt).load() != c.mark(c.next) {
		c.err = ErrCorrupt
		return nil, false, false
	}
	if begin {
		c.started.store(uint32(c.next) + 1)
	}
	word := wordIn(first, wordOff).load()
	n := int(word & lengthMask)
	if n > c.maxRecord || n > len(buf) {
		c.err = ErrCorrupt
		return nil, false, false
	}
	record = buf[:n]
	rest := record[copy(record, first[firstAt:]):]
	for c.next++; len(rest) > 0; c.next++ {
		rest = rest[copy(rest, c.slot(c.next)[nextAt:]):]
	}
	if c.next-c.freed >= max(c.size/4, 1) {
		c.freed = c.next
		c.head.store(uint32(c.next))
	}
	return record, word&revokedFlag != 0, true
}
