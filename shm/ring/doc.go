// Package ring is a single-producer single-consumer queue of fixed-size records
// in shared memory, and the bell that wakes a side that sleeps.
//
// # A short tour
//
//   - [Producer] and [Consumer] are the two ends of a ring, one in each process,
//     over the same [Size] bytes of memory. No end ever waits in them: a full or
//     an empty ring is said to be so.
//   - [Bell] is where one process sleeps until something is there for it, and
//     what others ring, at the cost of one load while it does not sleep. One
//     bell serves any number of rings.
//
// # Layout
//
// A ring of n slots, a power of two; little-endian words:
//
//	offset   size  writer    what
//	     0      4  producer  tail: slots published so far, modulo 2³²
//	    64      4  consumer  head: slots given back so far, modulo 2³²
//	   128   64·n  producer  slots; number i lies at 128 + 64·(i mod n)
//
// A bell:
//
//	offset   size  writer    what
//	     0      4  ringers   rings so far: the futex word
//	     4      4  owner     1 while the owner sleeps or is about to, else 0
//	     8     56  –         unused
//
// Every word has a cache line to itself that only one side writes, but for the
// bell's, which is written once per sleep. Each end keeps its own index in its
// own memory and only publishes it; it reads the other's when its cached copy
// says that there is nothing left to do.
//
// # Order
//
// The producer stores slots, then tail; the consumer loads tail, then copies
// slots, then stores head; the producer loads head, then overwrites. All loads
// and stores of indices are sequentially consistent, which also makes the
// sleeper's "asleep, then look again" and the ringer's "publish, then asleep?"
// such that one of them sees the other: no wake-up is lost.
//
// # Strangers
//
// What the other side writes is a stranger's. An index is loaded once and must
// lie within the ring, or every later call answers [ErrCorrupt]; a slot is copied
// once, so that it cannot change between a check and its use. A hostile or dead
// peer can make its own ring useless, ring too often or not at all: every sleep
// is bounded.
//
// # Concurrency
//
// Each end belongs to one goroutine at a time. [Bell.Ring] and [Bell.Wake] may be
// called from everywhere, [Bell.Wait] by one goroutine of the owning process.
//
// # Platforms
//
// Linux. Elsewhere everything compiles; a Bell only yields and sleeps a little.
package ring
