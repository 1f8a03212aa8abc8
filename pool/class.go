package pool

import (
	"fmt"
	"strings"
	"time"

	"example.com/handoff/pool/internal/proc"
)

// An exitState is what is known of the end of a process.
type exitState struct {
	proc.Exit
	output    string // the last of its stdout and stderr
	oomKilled bool
}

// suspectWindow is how far apart two kills that nobody here has sent may be to
// look like those of a kernel short of memory.
const suspectWindow = 30 * time.Second

// classify says how an incarnation ended, from what is known for certain, and
// puts what it knows it from into Evidence. w.killed is what the pool itself has
// killed it for; ran, the task that it was running, unless that is over meanwhile.
func (w *worker) classifyLocked(d *WorkerExitError, greeted bool, exit exitState, ran *task) {
	p := w.pool
	defer func() {
		if ran != nil && d.forMemory() && p.opts.Attempts > 1 && p.slots.width > 1 && !p.opts.KeepWidth && ran.memory < mostMemoryDeaths {
			ran.memory++ // it is not the task's fault yet
		}
	}()
	killed := exit.Signal == "killed"
	switch {
	case exit.oomKilled && (killed || exit.Unknown != "") && w.killed == "":
		d.Class, d.Evidence = ClassOOM, "the kernel counts an OOM kill in its memory cgroup"
	case outOfMemory(exit):
		d.Class, d.Evidence = ClassOOM, "Go found no memory: "+tellingLine(exit.output)
	case !greeted:
		d.Class = ClassStart
	case w.killed != "":
		d.Class = w.killed
	case exit.Alive:
		d.Class, d.Evidence = ClassUnknown, exit.Unknown
	case d.Reason != "":
		d.Class = ClassProtocol
	case exit.byGo() && goSaysWhy(exit.output):
		d.Class, d.Evidence = ClassFatal, exit.status()+", and Go says why: "+tellingLine(exit.output)
	case exit.Unknown != "":
		d.Class, d.Evidence = ClassUnknown, exit.Unknown
	case exit.Signal != "":
		d.Class = ClassSignal
	default:
		d.Class = ClassExit
	}
	if d.Class != ClassSignal || !killed || d.Func == "" {
		return
	}
	now := time.Now()
	if near := now.Sub(p.slots.lastKill); !p.slots.lastKill.IsZero() && near < suspectWindow {
		d.MemorySuspected = true
		d.Evidence = fmt.Sprintf("killed while it ran a task, as another was %v before, and not by the pool: memory may be short", near.Round(time.Millisecond))
	}
	p.slots.lastKill = now
}

// workerSays is the last line in which a worker's own code here, not the user's, says
// what went wrong.
func workerSays(output string) (why string, said bool) {
	for line := range strings.Lines(output) {
		if text, ok := strings.CutPrefix(line, workerPrefix); ok {
			why, said = strings.TrimSpace(text), true
		}
	}
	return strings.ToValidUTF8(why, "\uFFFD"), said
}

// goSaysWhy reports whether the Go run-time's reason is among what was written.
func goSaysWhy(output string) bool {
	for line := range strings.Lines(output) {
		if proc.IsGoReason([]byte(line)) {
			return true
		}
	}
	return false
}

// byGo reports whether the Go run-time may have ended the process: by exit status 2,
// or, with GOTRACEBACK=crash, by SIGABRT.
func (e exitState) byGo() bool { return e.Code == 2 || e.Signal == "aborted" || e.Unknown != "" }

// status is the exit status in words.
func (e exitState) status() string {
	switch {
	case e.Unknown != "":
		return "exit status unknown"
	case e.Signal != "":
		return "signal " + e.Signal
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// outOfMemory reports whether the Go run-time found none.
func outOfMemory(exit exitState) bool {
	return exit.byGo() && (strings.Contains(exit.output, "out of memory") || strings.Contains(exit.output, "cannot allocate memory")) &&
		strings.Contains(exit.output, "fatal error: ")
}
