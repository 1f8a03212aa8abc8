package pipeline

import (
	"fmt"
	"strings"
	"time"
)

// A stage is short of room where it is busy for most of the time and the next one
// clearly less.
const (
	busyEnough  = 0.75
	clearlyLess = 0.9
	coresBusy   = 0.7 // the share of all cores from which on more workers are no use
)

// judge says which side is short.
func (p *Stats) judge() {
	best, second := -1, -1
	for i, s := range p.Stages {
		switch {
		case best < 0 || s.Utilization > p.Stages[best].Utilization:
			best, second = i, best
		case second < 0 || s.Utilization > p.Stages[second].Utilization:
			second = i
		}
	}
	if best < 0 || p.Stages[len(p.Stages)-1].In == 0 {
		p.Verdict = "nothing has come through yet"
		return
	}
	s, other := p.Stages[best], p.Stages[second]
	switch {
	case s.Utilization < busyEnough:
		if held := p.held(); held != "" {
			p.Verdict = held
			return
		}
		p.Verdict = fmt.Sprintf("no single bottleneck: %s is the busiest with %s", s.Name, percent(s.Utilization))
	case other.Utilization > clearlyLess*s.Utilization:
		p.Verdict = fmt.Sprintf("no single bottleneck: %s was busy %s of the time and %s %s", s.Name, percent(s.Utilization), other.Name, percent(other.Utilization))
	default:
		p.Bottleneck = s.Name
		p.Verdict = p.short(best)
	}
}

// short is the verdict on stage i, which holds the others up.
func (p *Stats) short(i int) string {
	s := p.Stages[i]
	var b strings.Builder
	fmt.Fprintf(&b, "%s is the bottleneck: ", s.Name)
	if s.Kind != KindSource {
		fmt.Fprintf(&b, "its input queue was full %s of the time and ", percent(s.QueueFull))
	}
	switch s.Kind {
	case KindSource:
		fmt.Fprintf(&b, "its sequence was at work %s of the time", percent(s.Utilization))
	case KindWrite:
		fmt.Fprintf(&b, "it was busy %s of it", percent(s.Utilization))
	case KindProcess:
		fmt.Fprintf(&b, "its %d tasks at a time busy %s", s.Width, percent(s.Utilization))
		if s.Workers == s.Width {
			b.Reset()
			fmt.Fprintf(&b, "%s is the bottleneck: its input queue was full %s of the time and its %d workers busy %s", s.Name, percent(s.QueueFull), s.Workers, percent(s.Utilization))
		}
	default:
		fmt.Fprintf(&b, "its %d goroutines busy %s", s.Width, percent(s.Utilization))
	}
	if i+1 < len(p.Stages) {
		if next := p.Stages[i+1]; next.QueueEmpty >= 0.5 {
			fmt.Fprintf(&b, "; %s is starved, its input queue was empty %s of the time", next.Name, percent(next.QueueEmpty))
		}
	}
	b.WriteString(": " + p.remedy(s))
	return b.String()
}

// remedy advises how to give the stage that holds the others back more to work with.
func (p *Stats) remedy(s StageStats) string {
	all := cores()
	switch {
	case s.Kind == KindSource || s.Kind == KindWrite:
		return "move what is slow in it into a stage"
	case s.Kind == KindGoroutine:
		return fmt.Sprintf("add I/O width to %s, or workers if it computes", s.Name)
	case s.Width > s.Workers:
		return fmt.Sprintf("add workers to its pool, which has %d", s.Workers)
	case s.Width < s.Workers:
		return fmt.Sprintf("widen it, its pool has %d workers", s.Workers)
	case s.CPUKnown && s.Workers >= all && ratioOf(s.CPU, p.Wall*time.Duration(all)) > coresBusy:
		return fmt.Sprintf("its workers use all of the %d usable cores: make it cheaper, more workers do not help", all)
	}
	return "add workers"
}

// held is the verdict where the byte budget is what all wait for.
func (p *Stats) held() string {
	for i := len(p.Stages) - 1; i >= 0; i-- {
		s := p.Stages[i]
		if part := ratioOf(s.BudgetWait, p.Wall); part > 0.5 {
			return fmt.Sprintf("the bound of %d bytes is short: %s waited for it %s of the time, and no stage was busy for most of it: raise MaxBytes", p.MaxBytes, s.Name, percent(part))
		}
	}
	return ""
}

func percent(share float64) string { return fmt.Sprintf("%.0f %%", 100*share) }
