// Package ring is a single-producer single-consumer queue of records in shared
// memory, and the doorbell that wakes a side that sleeps.
//
// # A short tour
//
//   - [Producer] and [Consumer] are the two ends of a ring, one in each process,
//     over the same [Size] bytes of memory. No end ever waits in them: a full or
//     an empty ring is said to be so.
//   - [Doorbell] is where one process sleeps until something is there for it, and
//     others notify it, at the cost of one load while it does not sleep. One
//     doorbell serves any number of rings.
//
// # Layout
//
// A ring of n slots, a power of two; little-endian words:
//
//	offset   size  writer    what
//	     0      4  consumer  started: the number of the last record started, plus 1
//	     4      4  consumer  head: slots given back so far, modulo 2³²
//	    64   64·n  producer  slots; number i lies at 64 + 64·(i mod n)
//
// A record lies in consecutive slots, number i mod 2³² being that of its first:
//
//	offset   size  what
//	     0      4  mark: 2·(i div n) + 1 once the record is there, modulo 2³²
//	     4      2  length of the record in bytes
//	     6      2  1 if it was revoked, else 0
//	     8     56  the record
//	    64      4  0
//	    68     60  more of the record, and so on
//
// A doorbell:
//
//	offset   size  writer    what
//	     0      4  others    notifications so far: the futex word
//	     4      4  owner     1 while the owner sleeps or is about to, else 0
//	     8      4  owner     the core it was last seen on, plus 1: a hint
//	    12     52  –         unused
//
// The mark lies in the record's own cache line, so that a small record costs one
// line's way to the other core and no second one for an index. It is another one
// in each lap, and what a slot holds from the lap before is never mistaken for
// it: that lap's mark, or 0. Every slot is written by the producer alone, the
// first line by the consumer alone. Each end keeps its own index in its own
// memory; the consumer publishes its in steps of a quarter of the ring, and the
// producer reads it when its cached copy says that the ring is full.
//
// # Order
//
// The producer stores the record, then its mark; the consumer loads the mark,
// then copies the record, then stores head; the producer loads head, then
// overwrites. All loads and stores of words are sequentially consistent, which
// also makes the sleeper's "asleep, then look again" and the notifier's "publish,
// then asleep?" such that one of them sees the other, so that no wake-up is lost;
// and likewise the consumer's "started, then revoked?" and the producer's "revoked,
// then started?", so that no record is both run by the one and given to
// somebody else by the other.
//
// # Untrusted peers
//
// What the other side writes is untrusted. A word is loaded once and must be in
// its range, or every later call answers [ErrCorrupt]; a record is copied
// once, so that it cannot change between a check and its use. A hostile or dead
// peer can make its own ring useless, notify too often or not at all: every sleep
// is bounded.
//
// # Concurrency
//
// Each end belongs to one goroutine at a time. [Doorbell.Notify] and [Doorbell.Wake] may be
// called from everywhere, the waits by one goroutine of the owning process.
//
// # Platforms
//
// Linux. Elsewhere everything compiles; a Doorbell only yields and sleeps a little.
package ring
