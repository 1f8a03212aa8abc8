package pipeline

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"example.com/handoff/pool/queue"
)

// A Kind says where a stage runs.
type Kind string

// The kinds.
const (
	KindSource    Kind = "source"    // From: the sequence
	KindGoroutine Kind = "goroutine" // this process
	KindProcess   Kind = "process"   // workers of a pool
	KindWrite     Kind = "write"     // Drain: the caller's goroutine
)

// StageStats is a snapshot of one stage. Shares are from 0 to 1.
type StageStats struct {
	Name  string `json:"name"`
	Kind  Kind   `json:"kind"`
	Width int    `json:"width"` // items at a time

	In     int64 `json:"in"`     // items taken
	Out    int64 `json:"out"`    // items handed on
	Failed int64 `json:"failed"` // items left out, by Options.SkipErrors

	// Busy is the time during which items were with the function, summed over them: of a
	// process stage from Submit to the result, the wait for a worker included.
	Busy        time.Duration `json:"busy_ns"`
	Utilization float64       `json:"utilization"` // Busy as a share of what the width had time for

	Queue      queue.Stats   `json:"queue"`          // the one before it, whose bytes are as charged in the budget; zero of the source
	QueueFull  float64       `json:"queue_full"`     // share of the time for which that was full
	QueueEmpty float64       `json:"queue_empty"`    // share of the time for which that was empty
	BudgetWait time.Duration `json:"budget_wait_ns"` // for which the next item waited for MaxBytes

	// CPU is [pool.Pool.WorkerCPU] of a process stage's pool since the run began: of all its
	// tasks, if others use it too. CPUKnown is false of other stages, as of one goroutine
	// among others nobody can say it; see Stats.SelfCPU.
	CPU      time.Duration `json:"cpu_ns"`
	CPUKnown bool          `json:"cpu_known"`
	Workers  int           `json:"workers,omitempty"`       // of a process stage, alive now
	Private  int64         `json:"private_bytes,omitempty"` // private memory of these, now
	PSS      int64         `json:"pss_bytes,omitempty"`     // and with their share of what they share
}

// Stats is a snapshot of a Pipeline.
type Stats struct {
	Stages  []StageStats  `json:"stages"` // the source first, write last
	Running bool          `json:"running"`
	Wall    time.Duration `json:"wall_ns"`     // since Drain was called, until it returned
	SelfCPU time.Duration `json:"self_cpu_ns"` // of this whole process meanwhile

	Bytes     int64 `json:"bytes"`      // in flight now
	HighBytes int64 `json:"high_bytes"` // the most in flight at once
	MaxBytes  int64 `json:"max_bytes"`  // bound in force

	Bottleneck string `json:"bottleneck"` // the stage that is short; "" if it is none alone
	Verdict    string `json:"verdict"`    // the same in words, with the figures and what to do
}

// Stats returns a snapshot; after Drain that of its end, and before it only what was
// declared. It reads /proc for each worker of a process stage: some tens of microseconds
// each.
func (pl *Pipeline) Stats() Stats {
	pl.mu.Lock()
	r, stages, flows, final := pl.run, pl.stages, pl.flows, pl.final
	pl.mu.Unlock()
	if final != nil {
		s := *final
		s.Stages = append([]StageStats{}, s.Stages...)
		return s
	}
	p := Stats{MaxBytes: pl.opts.MaxBytes, Verdict: "it has not begun"}
	if r != nil {
		p.Running, p.Wall = true, time.Since(r.begun)
		p.SelfCPU = selfCPU() - r.self
		r.budget.mu.Lock()
		p.Bytes, p.HighBytes = r.budget.used, r.budget.high
		r.budget.mu.Unlock()
	}
	for i, s := range stages {
		st := s.stats()
		if r != nil {
			st.Utilization = ratioOf(st.Busy, time.Duration(s.width)*p.Wall)
			if i > 0 {
				st.Queue = flows[i-1].stats()
				st.QueueFull = ratioOf(st.Queue.FullTime, st.Queue.Age)
				st.QueueEmpty = ratioOf(st.Queue.EmptyTime, st.Queue.Age)
			}
			if i < len(flows) {
				st.BudgetWait = r.budget.waited(i)
			}
			if use := r.users[s.pool]; use != nil && st.Kind == KindProcess {
				use.fill(&st)
			}
		}
		p.Stages = append(p.Stages, st)
	}
	if r != nil {
		p.judge()
	}
	return p
}

func ratioOf(part, whole time.Duration) float64 {
	if whole <= 0 {
		return 0
	}
	return min(max(float64(part)/float64(whole), 0), 1)
}

// stats lacks the fields that only the run knows: waits, memory and CPU time.
func (s *stage) stats() StageStats {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := StageStats{Name: s.name, Kind: s.kind, Width: s.width, In: s.in.Load(), Out: s.out.Load(), Failed: s.failed.Load(), Busy: s.busy.at(time.Now())}
	return st
}

// String is a table of the stages, and the verdict.
func (p Stats) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s %-9s %5s %9s %9s %6s %6s %6s\n", "stage", "kind", "width", "in", "out", "busy", "full", "empty")
	for _, s := range p.Stages {
		fmt.Fprintf(&b, "%-12s %-9s %5d %9d %9d %4.0f %% %4.0f %% %4.0f %%", s.Name, s.Kind, s.Width, s.In, s.Out, 100*s.Utilization, 100*s.QueueFull, 100*s.QueueEmpty)
		if s.CPUKnown {
			fmt.Fprintf(&b, "  %d workers: %.2f s of CPU, %d MiB private, %d MiB PSS", s.Workers, s.CPU.Seconds(), s.Private>>20, s.PSS>>20)
		}
		if s.Failed > 0 {
			fmt.Fprintf(&b, "  %d failed", s.Failed)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%.3f s, %.3f s of CPU in this process, at most %d of %d bytes in flight\n%s", p.Wall.Seconds(), p.SelfCPU.Seconds(), p.HighBytes, p.MaxBytes, p.Verdict)
	return b.String()
}

// String is Stats as a table.
func (pl *Pipeline) String() string { return pl.Stats().String() }

func (p Stats) log(l *slog.Logger, err error) {
	written := int64(0)
	if n := len(p.Stages); n > 0 {
		written = p.Stages[n-1].Out
	}
	args := []any{"items", written, "wall", p.Wall, "high_bytes", p.HighBytes, "verdict", p.Verdict}
	if err != nil {
		l.Warn("pipeline ended early", append(args, "error", err)...)
		return
	}
	l.Info("pipeline ended", args...)
}
