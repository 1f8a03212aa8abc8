package fate

import (
	"fmt"
	"strings"
	"time"

	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
)

// A Class says how a worker ended. See pool.ExitClass for what each means.
type Class string

const (
	Status   Class = "exit"
	Fatal    Class = "fatal"
	Signal   Class = "signal"
	OOM      Class = "oom"
	Deadline Class = "deadline"
	Cancel   Class = "cancel"
	Stopped  Class = "stopped"
	Start    Class = "start"
	Protocol Class = "protocol"
	Unknown  Class = "unknown"
)

// Known is the evidence of a death. What could not be found out has its zero value.
type Known struct {
	Exit      proc.Exit
	Output    string // the last of its stdout and stderr; it is not trusted
	OOMKilled bool   // the kernel counts a kill for memory in its cgroup
	Greeted   bool   // it has said hello
	KilledFor Class  // by the supervisor; "" if it was not, or for breaking the protocol
	Reason    string // why it could not start, or what it was killed for, in words
}

// A Fate is what Known comes to.
type Fate struct {
	Class    Class
	Evidence string // what Class is known from, where it is not the exit status alone
	Reason   string // Known.Reason, or what the worker itself has written
}

// Of says how an incarnation ended.
func Of(k Known) Fate {
	f := Fate{Reason: k.Reason}
	if why, said := WorkerSays(k.Output); said && (!k.Greeted || k.Exit.Code == 1) {
		f.Reason = why
	}
	byGo := mayBeGo(k.Exit)
	switch {
	case k.OOMKilled && (Killed(k.Exit) || k.Exit.Unknown != "") && k.KilledFor == "":
		f.Class, f.Evidence = OOM, "the kernel counts an OOM kill in its memory cgroup"
	case byGo && goOutOfMemory(k.Output):
		f.Class, f.Evidence = OOM, "Go found no memory: "+KeyLine(k.Output)
	case !k.Greeted:
		f.Class = Start
	case k.KilledFor != "":
		f.Class = k.KilledFor
	case k.Exit.Alive:
		f.Class, f.Evidence = Unknown, k.Exit.Unknown
	case f.Reason != "":
		f.Class = Protocol
	case byGo && goSaysWhy(k.Output):
		f.Class, f.Evidence = Fatal, status(k.Exit)+", and Go says why: "+KeyLine(k.Output)
	case k.Exit.Unknown != "":
		f.Class, f.Evidence = Unknown, k.Exit.Unknown
	case k.Exit.Signal != "":
		f.Class = Signal
	default:
		f.Class = Status
	}
	return f
}

// Killed reports whether a SIGKILL ended the process, whoever has sent it.
func Killed(e proc.Exit) bool { return e.Signal == "killed" }

// Orderly reports whether the process may have ended because it was asked to.
func Orderly(e proc.Exit) bool { return (e.Code == 0 || e.Unknown != "") && !e.Alive }

// mayBeGo reports whether the Go run-time may have ended the process: by exit status 2,
// or, with GOTRACEBACK=crash, by SIGABRT.
func mayBeGo(e proc.Exit) bool { return e.Code == 2 || e.Signal == "aborted" || e.Unknown != "" }

// status is the exit status in words.
func status(e proc.Exit) string {
	switch {
	case e.Unknown != "":
		return "exit status unknown"
	case e.Signal != "":
		return "signal " + e.Signal
	}
	return fmt.Sprintf("exit status %d", e.Code)
}

// goOutOfMemory reports whether the Go run-time says that it found no memory.
func goOutOfMemory(output string) bool {
	return strings.Contains(output, "fatal error: ") &&
		(strings.Contains(output, "out of memory") || strings.Contains(output, "cannot allocate memory"))
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

// WorkerSays is the last line in which the worker's own code here, not the user's, says
// what went wrong.
func WorkerSays(output string) (why string, said bool) {
	for line := range strings.Lines(output) {
		if text, ok := strings.CutPrefix(line, wire.StderrPrefix); ok {
			why, said = strings.TrimSpace(text), true
		}
	}
	return strings.ToValidUTF8(why, "\uFFFD"), said
}

// KeyLine is the line that says most, quoted and cut at 300 characters: where Go says why
// it ends, else the last one; "" if there is none.
func KeyLine(output string) string {
	last := ""
	for line := range strings.Lines(output) {
		line = strings.TrimSpace(line)
		if proc.IsGoReason([]byte(line)) {
			last = line
			break
		}
		if line != "" {
			last = line
		}
	}
	if last == "" {
		return ""
	}
	return fmt.Sprintf("%.300q", last)
}

// suspectWindow is how far apart two kills that nobody here has sent may be to look like
// those of a kernel short of memory.
const suspectWindow = 30 * time.Second

// Kills remembers the last SIGKILL that nobody here has sent to a worker with a task.
type Kills struct{ last time.Time }

// Add takes one more. It reports whether memory may be short, and what speaks for it.
func (k *Kills) Add(now time.Time) (evidence string, suspected bool) {
	near := now.Sub(k.last)
	suspected = !k.last.IsZero() && near < suspectWindow
	k.last = now
	if suspected {
		evidence = fmt.Sprintf("killed while it ran a task, as another was %v before, and not by the pool: memory may be short", near.Round(time.Millisecond))
	}
	return evidence, suspected
}
