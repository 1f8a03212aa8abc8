package pool

import (
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
	"example.com/handoff/shm/ring"
)

// A lane is the memory that one incarnation of a worker and the supervisor
// share, and nobody else: tasks go down, results come up, and the worker sleeps
// at its bell.
//
//	offset  size  what
//	     0    64  the worker's bell
//	    64     8  the worker's claim: the job in the upper half, and claimNone,
//	              claimChoosing or claimBlock + the block
//	    72    24  what the running attempt began with, where it is measured (wire.Usage)
//	   128     …  ring of laneSlots to the worker
//	     …     …  ring of laneSlots to the supervisor
//	     …   512  the worker's flight ring (wire.FlightRecorder)
const (
	laneSlots = 512
	claimAt   = ring.BellBytes
	begunAt   = claimAt + 8
	downAt    = claimAt + ring.SlotBytes
)

var (
	upAt      = downAt + ring.Size(laneSlots)
	flightAt  = upAt + ring.Size(laneSlots)
	laneBytes = flightAt + wire.FlightBytes
)

// laneRecord is the size of a buffer for what comes out of a lane.
const laneRecord = 16 << 10

// laneWindow is the most tasks in a lane: enough that a worker does not run dry
// while the supervisor is busy with others.
const laneWindow = 256

// The memory that all workers share with the supervisor:
//
//	offset  size  what
//	     0    64  the supervisor's bell
//	  64·k    64  for k = 1…maxJobs a range job: 0 next, the counter from which
//	              workers take blocks, and 4 stop, 1 if they are to take none
const (
	maxJobs      = 63
	controlBytes = (1 + maxJobs) * 64
)

// counters are the words of a job.
func counters(control []byte, job uint32) (next, stop *atomic.Uint32) {
	at := int(1+job%maxJobs) * 64
	return word32(control, at), word32(control, at+4)
}

// What a claim says of a worker in a job.
const (
	claimNone     = 0
	claimChoosing = 1
	claimBlock    = 2
)

// A lane is also the supervisor's side of one. What lies in it in what order is
// guarded by Pool.mu, the ring up by the poller's role.
type lane struct {
	mem  sharedMemory
	bell *ring.Bell
	down *ring.Producer
	up   *ring.Consumer

	claim *atomic.Uint64
	begun begunWords

	sent  []sentTask // what has no answer yet, oldest first, from first on
	first int
	base  uint64 // position of sent[first]
	tasks int    // those that were not taken back
	put   int    // records that are not published yet
	// broken: the worker has put what it must not. The poller's.
	broken bool
	// short: the worker has said that it lacks resources, and runs nothing more.
	short bool
	// head is the oldest when somebody looked for tasks to give to others, by
	// its position, and since when it is known not to be begun.
	head    uint64
	since   time.Time
	results *results // that hear how many tasks may ask for memory
}

// A sentTask is a record in the ring down, task or not.
type sentTask struct {
	t      *task // nil: taken back, and the worker is to say that it was skipped
	id     wire.TaskID
	number uint32 // in the ring
	asked  bool   // it was to be taken back, and may or may not be
}

// sharedMemory is a memfd and its mapping, or memory of this process.
type sharedMemory struct {
	bytes []byte
	array shm.Array[byte]
	seg   *shm.Segment
}

// share makes zeroed memory for a process that gets its descriptor, or for
// goroutines.
func (p *Pool) share(bytes int) (m sharedMemory, err error) {
	if p.opts.Isolation == Goroutine {
		return sharedMemory{bytes: lines(bytes)}, nil
	}
	if m.seg, err = p.segments.run.CreateAnonymous(int64(bytes), shm.ReadWrite); err != nil {
		return m, err
	}
	return mapShared(m.seg, bytes)
}

// lines is memory that begins at a cache line.
func lines(n int) []byte {
	mem := make([]byte, n+ring.SlotBytes)
	at := ring.SlotBytes - int(address(mem)%ring.SlotBytes)
	return mem[at : at+n : at+n]
}

func mapShared(seg *shm.Segment, bytes int) (m sharedMemory, err error) {
	m.seg = seg
	shape, err := shm.ShapeOf(bytes)
	if err == nil {
		m.array, err = shm.BindArray[byte](seg, shm.Ref{Segment: seg.Name(), DType: shm.Uint8, Shape: shape})
	}
	if err != nil {
		seg.Close()
		return m, err
	}
	m.bytes = m.array.Data()
	return m, nil
}

// file is what a worker process inherits.
func (m sharedMemory) file() *os.File { return m.seg.File() }

func (m sharedMemory) end() error {
	if m.seg == nil {
		return nil
	}
	m.array.Release()
	return m.seg.Close()
}

// bellIn is the bell at an offset; local ones are for goroutines.
func bellIn(mem []byte, at int) (*ring.Bell, error) {
	return ring.NewBell(mem[at : at+ring.BellBytes])
}

// openLane makes the lane of a new incarnation.
func (p *Pool) openLane() (*lane, error) {
	mem, err := p.share(laneBytes)
	if err != nil {
		return nil, err
	}
	bell := ring.NewLocalBell()
	if p.opts.Isolation == Process {
		bell, err = bellIn(mem.bytes, 0)
	}
	if err == nil {
		var l *lane
		if l, err = newLane(mem, bell); err == nil {
			return l, nil
		}
	}
	mem.end()
	return nil, err
}

func newLane(mem sharedMemory, bell *ring.Bell) (*lane, error) {
	l := &lane{mem: mem, bell: bell, claim: word64(mem.bytes, claimAt), begun: begunIn(mem.bytes)}
	var err error
	if l.down, err = ring.NewProducer(mem.bytes[downAt:upAt]); err == nil {
		l.up, err = ring.NewConsumer(mem.bytes[upAt:flightAt])
	}
	return l, err
}

// length is how many answers the worker owes, those for tasks that were taken
// back too: one that is stopped gives none.
func (l *lane) length() int { return len(l.sent) - l.first }

// room reports whether a task of that many bytes can be put.
func (l *lane) room(bytes int) bool {
	return l.length() < laneWindow && l.down.Fits(bytes)
}

// push puts a record into the ring, which has room for it; the worker sees it
// after publish.
func (l *lane) push(record []byte, t *task) bool {
	number, ok := l.down.Put(record)
	if !ok {
		return false
	}
	l.put++
	if t != nil {
		t.at = l.base + uint64(l.length())
		l.sent = append(l.sent, sentTask{t: t, id: t.id, number: number})
		l.count(t, 1)
	}
	return true
}

func (l *lane) count(t *task, n int) {
	l.tasks += n
	if t.entry.out.arrays {
		l.results.queued.Add(int32(n))
	}
}

// A worker that has laneDeep tasks is told of more by laneDeep at a time: each
// time the ring's cache line goes to its core and back.
const laneDeep = 16

// publishSome is publish unless the worker has enough to do. The poller and the
// dispatcher publish the rest.
func (l *lane) publishSome() {
	if l.put >= laneDeep || l.tasks-l.put < laneDeep {
		l.publish()
	}
}

func (l *lane) publish() {
	if l.put > 0 {
		l.put = 0
		l.down.Publish()
		l.bell.Ring()
	}
}

// oldest is what the worker must answer next; nil if there is nothing.
func (l *lane) oldest() *sentTask {
	if l.first == len(l.sent) {
		return nil
	}
	return &l.sent[l.first]
}

// pop ends the oldest.
func (l *lane) pop() {
	if t := l.sent[l.first].t; t != nil {
		l.count(t, -1)
	}
	l.sent[l.first] = sentTask{}
	l.first++
	l.base++
	if l.first == len(l.sent) {
		l.sent, l.first = l.sent[:0], 0
	} else if l.first >= laneWindow {
		n := copy(l.sent, l.sent[l.first:])
		clear(l.sent[n:])
		l.sent, l.first = l.sent[:n], 0
	}
}

// takeBack takes a task out of the lane unless the worker has begun it. It
// reports whether it did: then the worker will never run it.
func (l *lane) takeBack(t *task) bool {
	s := &l.sent[l.first+int(t.at-l.base)]
	if t.taken || l.down.Begun(s.number) {
		return false
	}
	if s.asked = true; !l.down.TakeBack(s.number) {
		return false
	}
	s.t = nil
	l.count(t, -1)
	return true
}

// running is the task that the worker has begun, as far as one can tell from
// outside; nil if there is none.
func (l *lane) running() *task {
	if s := l.oldest(); s != nil && l.down.Begun(s.number) {
		return s.t
	}
	return nil
}

// stuck reports whether the oldest task has not been begun for long.
func (l *lane) stuck() bool {
	if s := l.oldest(); l.down.Begun(s.number) {
		l.since = time.Time{}
		return false
	}
	if l.since.IsZero() {
		l.since = time.Now()
	}
	return time.Since(l.since) > stuckAfter
}

// A workerLane is the worker's side.
type workerLane struct {
	bell, supervisor *ring.Bell
	down             *ring.Consumer
	up               *ring.Producer
	claim            *atomic.Uint64
	begun            begunWords
	control          []byte
	flight           *wire.FlightRecorder
}

func newWorkerLane(mem, control []byte, bell, supervisor *ring.Bell) (w workerLane, err error) {
	w.bell, w.supervisor, w.control, w.claim = bell, supervisor, control, word64(mem, claimAt)
	w.begun = begunIn(mem)
	w.flight = wire.NewFlightRecorder(mem[flightAt:laneBytes])
	if w.down, err = ring.NewConsumer(mem[downAt:upAt]); err == nil {
		w.up, err = ring.NewProducer(mem[upAt:flightAt])
	}
	if err != nil {
		err = fmt.Errorf("pool: %w", err)
	}
	return w, err
}
