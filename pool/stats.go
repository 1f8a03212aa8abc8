package pool

import (
	"time"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/proc"
)

// Stats says what a pool has done so far, and what it does now.
type Stats struct {
	Workers  []WorkerStats // incarnations, dead ones first, the last 256 of these
	Width    int           // workers at once; fewer than Target while memory is short
	Target   int           // workers asked for
	Spares   int           // workers that wait for a death, now
	Deaths   map[ExitClass]int64
	Dying    int   // deaths of which it is not known yet of what, now: well below a second each, and in no other figure
	Respawns int64 // deaths after which another is started, once as many are wanted
	Retired  int64 // workers replaced or ended between two tasks

	Attempts    int64 // tasks started, again after a death included
	Retries     int64 // attempts of tasks that were lost and are made again; blocks of ranges are not among them
	Pending     int   // tasks that no worker has, now
	Unresolved  int   // tasks and ranges under way, now
	Done        int64 // tasks that succeeded; ranges are not among these three
	Failed      int64 // tasks that ended in an error: their own, their workers' or the pool's
	Cancelled   int64 // tasks that ended with ErrCancelled
	Quarantined int64 // indices of ranges

	CopyStats
	Memory MemoryStats
	Hooks  HookStats

	dropped int64 // second results of a block
}

// CopyStats is what went by value, in bytes, of tasks and ranges, and of their results. What
// is longer than a record lies in a side block: the copies into and out of those are
// counted where they are made, here and in the workers, those of dead ones too.
type CopyStats struct {
	// BytesByValue is the size of arguments, once for each task or range that was
	// submitted, and of results, once for each that came, as encoded: in records and in
	// side blocks, with the Refs of arrays.
	BytesByValue int64
	// CopiedIn is what was copied into side blocks: arguments by this process, once for all
	// attempts, and results by workers; and what Share has copied, in both.
	CopiedIn int64
	// CopiedOut is what was copied out of them: arguments by workers, once for each attempt,
	// and for each range once in each worker; and results by this process, twice where they
	// were moved to private memory first, because the arena of results was short.
	CopiedOut int64
}

// MemoryStats is what went through shared memory, and how much there is for workers.
type MemoryStats struct {
	BytesByRef        int64  // size of the arrays that tasks named
	ResultBytesByRef  int64  // size of the arrays that results named
	BytesCopied       int64  // into arrays of Pool.Arena: [shm.ArenaStats].Copied
	ResultBytesMapped int64  // size of the segments that workers' results lie in, now
	SharedHeaders     int64  // private memory of this process and the workers for what [Shared.Get] makes once, now
	Ceiling           int    // the most workers that there seems to be memory for; 0: none was killed for want of it
	Deaths            int64  // for want of memory, proven or suspected
	Mechanism         string // enforces Options.MemoryLimit: "cgroup", "rlimit", or "" for none
}

// HookStats says which of the hooks of [Options] do not keep up, by the calls that they
// have not returned from, now. None is dropped.
type HookStats struct {
	EventsWaiting   int // for OnEvent
	AttemptsWaiting int // for OnAttempt
	RecordsWaiting  int // for Logger
	LinesWaiting    int // for Output: each of another worker, which writes no more meanwhile
}

// WorkerStats is one incarnation of a worker.
type WorkerStats struct {
	Slot  int   `json:"slot"`
	PID   int   `json:"pid"` // this process for Isolation = Goroutine
	Tasks int64 `json:"tasks"`

	Incarnation  int   `json:"incarnation"` // of all that the pool has started, from 1
	State        State `json:"state"`
	PrivateBytes int64 `json:"private_bytes"` // private memory at the last look, at most a second ago while it has tasks; 0: none yet
}

// add adds what a worker has counted.
func (s *CopyStats) add(c lane.Copied) {
	in, out := c.Load()
	s.CopiedIn += in
	s.CopiedOut += out
}

// Stats returns a copy of what is known. It changes nothing and waits for nothing. A
// result that nobody waits for is counted some milliseconds after it came, when the pool
// takes it, and a death when it is known of what: a task that it cost an attempt may be
// done by then ([Stats].Dying).
func (p *Pool) Stats() Stats {
	hooks, copied := p.hooks.stats(), p.segments.inputs.Stats().Copied
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.stats
	s.Dying = p.slots.reapsPending
	s.Width, s.Target, s.Hooks = p.slots.width.Now(), p.slots.width.Target(), hooks
	s.Memory.Ceiling, s.Memory.ResultBytesMapped, s.Memory.BytesCopied = p.slots.width.Ceiling(), p.segments.resultBytes(), copied
	s.Pending, s.Unresolved = p.tasks.pending.n+p.tasks.delayed.n, p.tasks.unresolved
	s.Deaths = map[ExitClass]int64{}
	for c, n := range p.stats.Deaths {
		s.Deaths[c] = n
	}
	s.CopiedIn += p.large.copiedIn.Load()
	s.CopiedOut += p.large.copiedOut.Load()
	s.Memory.SharedHeaders = int64(p.large.spines.Load())
	for _, w := range p.sched.workers {
		s.CopyStats.add(w.lane.Copied())
		s.Memory.SharedHeaders += w.lane.Spines()
		if t := w.runningLocked(); t != nil && t.share.job == nil {
			s.Attempts++
		}
	}
	s.Workers = append([]WorkerStats{}, p.stats.Workers...)
	for _, w := range p.slots.all {
		if w.link != nil {
			s.Workers = append(s.Workers, w.statsLocked())
			if w.stateLocked() == StateStandby {
				s.Spares++
			}
		}
	}
	return s
}

// WorkerCPU returns the user and system time that the pool's worker processes have used
// since New, the dead ones included; the difference of two calls is what they used
// between. It never falls. It costs about a microsecond for each living worker, and may
// be called from any goroutine, at any time. What a worker that dies during the call has
// used since the last one may be in the next.
//
// ok is false where it is not known: with Isolation = Goroutine, and elsewhere than on
// Linux.
func (p *Pool) WorkerCPU() (cpu time.Duration, ok bool) {
	if p.opts.Isolation == Goroutine {
		return 0, false
	}
	var pids []int
	p.mu.Lock()
	cpu = p.slots.used.dead
	for _, w := range p.slots.all {
		if w.proc != nil && !w.reaped {
			pids = append(pids, w.proc.PID())
		}
	}
	p.mu.Unlock()
	for _, pid := range pids {
		cpu += proc.CPUOf(pid)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slots.used.most = max(p.slots.used.most, cpu)
	return p.slots.used.most, true
}

func (h *hooks) stats() HookStats {
	return HookStats{
		EventsWaiting:   h.events.Unreturned(),
		AttemptsWaiting: h.attempts.Unreturned(),
		RecordsWaiting:  h.logs.Unreturned(),
		LinesWaiting:    h.output.Unreturned(),
	}
}

func (w *worker) statsLocked() WorkerStats {
	return WorkerStats{Slot: w.slot, PID: w.proc.PID(), Tasks: w.done, Incarnation: w.number, State: w.stateLocked(), PrivateBytes: w.memory.private}
}
