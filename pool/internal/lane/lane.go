package lane

import (
	"fmt"
	"sync/atomic"
	"time"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm/ring"
)

// A Lane is the supervisor's side of one. All of it is guarded by the supervisor's lock
// but Take, Ready and Broken, which belong to the leader of the waiters, and MemoryTasks.
type Lane struct {
	mem      Memory
	Doorbell *ring.Doorbell
	down     *ring.Producer
	up       *ring.Consumer

	claim  *atomic.Uint64
	begun  Begun
	copied Copied

	slots       []Slot // what has no answer yet, oldest first, from first on
	first       int
	base        uint64 // position of slots[first]
	tasks       int    // those that were not taken back
	unpublished int    // records

	Broken bool // the worker has put what it must not
	Short  bool // the worker has said that it lacks resources, and runs nothing more
	// MemoryTasks counts the tasks in the lane that may ask for memory for their results.
	MemoryTasks atomic.Int32

	// seen is the position of the oldest at the last Look, and Unbegun since when it is
	// known not to be begun.
	seen    uint64
	Unbegun time.Time
}

// A Slot is a record in the ring down for which an answer is to come.
type Slot struct {
	ID       wire.TaskID
	Live     bool   // not taken back: else the worker is to say that it was skipped
	Asked    bool   // it was to be taken back, and may or may not be
	Decoding bool   // its result is being looked at, and it can't be taken back
	memory   bool   // it may ask for memory
	number   uint32 // in the ring
}

// New makes the lane of a new incarnation in mem, of Bytes, which it owns from now on:
// for a process, or for goroutines of this one.
func New(mem Memory, local bool) (*Lane, error) {
	l := &Lane{mem: mem, Doorbell: ring.NewLocalDoorbell(), claim: word64(mem.Bytes, ClaimAt), begun: begunIn(mem.Bytes), copied: copiedIn(mem.Bytes)}
	var err error
	if !local {
		l.Doorbell, err = Doorbell(mem.Bytes)
	}
	if err == nil {
		l.down, err = ring.NewProducer(mem.Bytes[DownAt:UpAt])
	}
	if err == nil {
		l.up, err = ring.NewConsumer(mem.Bytes[UpAt:FlightAt])
	}
	if err != nil {
		mem.End()
		return nil, err
	}
	return l, nil
}

// End unmaps the lane's memory.
func (l *Lane) End() error { return l.mem.End() }

// Memory is the lane's, for the process that works in it.
func (l *Lane) Memory() Memory { return l.mem }

// Flight is the worker's flight ring.
func (l *Lane) Flight() []byte { return l.mem.Bytes[FlightAt:Bytes] }

// Claim loads the word of SplitClaim. A worker may have stored anything.
func (l *Lane) Claim() uint64 { return l.claim.Load() }

// Begun reads the start and CPU time that the worker has noted for an attempt.
func (l *Lane) Begun() Begun { return l.begun }

// Copied is what the worker counts of its copies.
func (l *Lane) Copied() Copied { return l.copied }

// Spines is how many bytes the worker says that its Spines have. It may have stored anything.
func (l *Lane) Spines() int64 { return int64(min(spines(l.mem.Bytes).Load(), mostCopied)) }

// Len is how many answers the worker owes, those for tasks that were taken
// back too: one that is stopped gives none.
func (l *Lane) Len() int { return len(l.slots) - l.first }

// Tasks counts those of Len that were not taken back.
func (l *Lane) Tasks() int { return l.tasks }

// Fits reports whether a task of that many bytes can be put.
func (l *Lane) Fits(bytes int) bool { return l.Len() < Window && l.down.Fits(bytes) }

// FitsMessage reports whether a record that is no task can be put.
func (l *Lane) FitsMessage(bytes int) bool { return l.down.Fits(bytes) }

// Push puts the record of a task into the ring, which has room for it; the worker sees
// it after Publish. memory says that it may ask for memory. The task's position is for
// Revoke.
func (l *Lane) Push(record []byte, id wire.TaskID, memory bool) (position uint64, ok bool) {
	number, ok := l.down.Put(record)
	if !ok {
		return 0, false
	}
	l.unpublished++
	position = l.base + uint64(l.Len())
	// Field by field: a Slot that is put together first is read back as a whole, which
	// waits until the ring's cache line has come from the worker's core.
	l.slots = append(l.slots, Slot{})
	s := &l.slots[len(l.slots)-1]
	s.ID, s.Live, s.memory, s.number = id, true, memory, number
	l.tasks++
	if memory {
		l.MemoryTasks.Add(1)
	}
	return position, true
}

// PushMessage puts a record that gets no answer.
func (l *Lane) PushMessage(record []byte) bool {
	_, ok := l.down.Put(record)
	if ok {
		l.unpublished++
	}
	return ok
}

// A worker that has deep tasks before it is shown more only deep at a time: each
// time the ring's cache line goes to its core and back. To publish each costs 8 %
// more CPU time: BenchmarkHot/op=submit/workers=1.
const deep = 16

// PublishSome is Publish unless the worker has enough to do. Who leads the waiters and the
// dispatcher publish the rest.
func (l *Lane) PublishSome() {
	if l.unpublished >= deep || l.tasks-l.unpublished < deep {
		l.Publish()
	}
}

// Publish lets the worker see what was put.
func (l *Lane) Publish() {
	if l.unpublished > 0 {
		l.unpublished = 0
		l.down.Publish()
		l.Doorbell.Notify()
	}
}

// Err says that the worker has written over what it may not write to of the ring down.
// One that has answered everything has taken all there was, so the longest record fits: it
// gives slots back by quarters of the ring, and a record is at most half of it.
func (l *Lane) Err() error {
	if err := l.down.Err(); err != nil {
		return err
	}
	if l.Len() == 0 && !l.down.Fits(l.down.MaxRecord()) {
		return fmt.Errorf("%w: it is full, and has nothing in it that was not answered", ring.ErrCorrupt)
	}
	return nil
}

// At is slot i of Len, oldest first. It is good until the next Push, Pop or Revoke.
func (l *Lane) At(i int) *Slot { return &l.slots[l.first+i] }

// Oldest is the slot that the worker must answer next; nil if there is none.
func (l *Lane) Oldest() *Slot {
	if l.first == len(l.slots) {
		return nil
	}
	return &l.slots[l.first]
}

// Position numbers the oldest among all tasks of the incarnation, from 1; 0 if there is none.
func (l *Lane) Position() uint64 {
	if l.first == len(l.slots) {
		return 0
	}
	return l.base + 1
}

// StartedAt reports whether the worker has begun slot i, as far as one can tell from
// outside.
func (l *Lane) StartedAt(i int) bool { return l.down.Started(l.At(i).number) }

// OldestStarted is StartedAt(0), or false if there is nothing.
func (l *Lane) OldestStarted() bool { return l.Len() > 0 && l.StartedAt(0) }

// Running is the task that the worker has begun; ok is false if there is none.
func (l *Lane) Running() (id wire.TaskID, ok bool) {
	if s := l.Oldest(); s != nil && s.Live && l.StartedAt(0) {
		return s.ID, true
	}
	return wire.TaskID{}, false
}

// Pop ends the oldest.
func (l *Lane) Pop() {
	if s := &l.slots[l.first]; s.Live {
		l.drop(s)
	}
	l.first++
	l.base++
	if l.first == len(l.slots) {
		l.slots, l.first = l.slots[:0], 0
	} else if l.first >= Window {
		n := copy(l.slots, l.slots[l.first:])
		l.slots, l.first = l.slots[:n], 0
	}
}

func (l *Lane) drop(s *Slot) {
	s.Live = false
	l.tasks--
	if s.memory {
		l.MemoryTasks.Add(-1)
	}
}

// Revoke takes the task at a position out of the lane unless the worker has begun it.
// It reports whether it did: then the worker will never run it.
func (l *Lane) Revoke(position uint64) bool {
	s := l.At(int(position - l.base))
	if s.Decoding || l.down.Started(s.number) {
		return false
	}
	if s.Asked = true; !l.down.Revoke(s.number) {
		return false
	}
	l.drop(s)
	return true
}

// Take takes the next record that the worker has put, into buf, of RecordBytes. The
// caller leads the waiters.
func (l *Lane) Take(buf []byte) (record []byte, ok bool, err error) {
	record, ok = l.up.Take(buf)
	return record, ok, l.up.Err()
}

// Ready reports whether Take would find something. The caller leads the waiters.
func (l *Lane) Ready() bool { return !l.Broken && l.up.Ready() }

// Look reports whether the oldest is the same as at the last Look.
func (l *Lane) Look() (same bool) {
	if same = l.seen == l.base+1; !same {
		l.seen, l.Unbegun = l.base+1, time.Time{}
	}
	return same
}

// Stuck reports whether the oldest, which is there, was not begun for as long as that
// since the first Look at it.
func (l *Lane) Stuck(after time.Duration) bool {
	if l.OldestStarted() {
		l.Unbegun = time.Time{}
		return false
	}
	if l.Unbegun.IsZero() {
		l.Unbegun = time.Now()
	}
	return time.Since(l.Unbegun) > after
}

// HasUnbegun reports whether a task was seen to lie here that was not begun.
func (l *Lane) HasUnbegun() bool { return !l.Unbegun.IsZero() && l.Len() > 0 }
