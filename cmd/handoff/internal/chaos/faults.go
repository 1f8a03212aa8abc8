package chaos

import (
	"fmt"
	"slices"
	"strings"

	"example.com/handoff/pool/chaos"
)

// A Fault is a way to disturb a job, by its name for people.
type Fault string

const (
	KillWorker     Fault = "kill-worker"
	SegvWorker     Fault = "segv-worker"
	StopWorker     Fault = "stop-worker"
	KillSupervisor Fault = "kill-supervisor"
	StopSupervisor Fault = "stop-supervisor"
	TermSupervisor Fault = "term-supervisor"
	ENOSPC         Fault = "enospc"
)

// A Kind is a fault with what it does.
type Kind struct {
	Name  Fault
	fault chaos.Fault // for the engine
	doc   string
}

// Kinds is their order in a script and in a report.
var Kinds = []Kind{
	{KillWorker, chaos.Kill, "SIGKILL to a worker"},
	{SegvWorker, chaos.Segv, "SIGSEGV to a worker"},
	{StopWorker, chaos.Pause, "SIGSTOP to a worker, and SIGCONT after a while"},
	{KillSupervisor, chaos.Fault(KillSupervisor), "SIGKILL to the job; then it is resumed, as after the next two"},
	{TermSupervisor, chaos.Fault(TermSupervisor), "SIGTERM to the job: it finishes what runs"},
	{ENOSPC, chaos.Fault(ENOSPC), "the disk is full for the journal and the output"},
	{StopSupervisor, chaos.Fault(StopSupervisor), "SIGSTOP to the job, and SIGCONT after a while"},
}

// nameOf translates a fault of the engine into the name that --faults takes.
func nameOf(f chaos.Fault) Fault {
	i := slices.IndexFunc(Kinds, func(k Kind) bool { return k.fault == f })
	return Kinds[i].Name
}

// FaultsHelp is the faults for the help, a line each.
func FaultsHelp() string {
	var b strings.Builder
	for _, k := range Kinds {
		fmt.Fprintf(&b, "  %-16s %s\n", k.Name, k.doc)
	}
	return b.String()
}

// FaultNames is their names with commas between.
func FaultNames() string {
	var names []string
	for _, k := range Kinds {
		names = append(names, string(k.Name))
	}
	return strings.Join(names, ", ")
}
