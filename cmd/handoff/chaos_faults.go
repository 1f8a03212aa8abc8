package main

import (
	"fmt"
	"slices"
	"strings"

	"example.com/handoff/pool/chaos"
)

// A chaosFault is a way to disturb a job, by its name for people.
type chaosFault string

const (
	faultKillWorker     chaosFault = "kill-worker"
	faultSegvWorker     chaosFault = "segv-worker"
	faultStopWorker     chaosFault = "stop-worker"
	faultKillSupervisor chaosFault = "kill-supervisor"
	faultStopSupervisor chaosFault = "stop-supervisor"
	faultTermSupervisor chaosFault = "term-supervisor"
	faultENOSPC         chaosFault = "enospc"
)

type chaosKind struct {
	name  chaosFault
	fault chaos.Fault // for the engine
	doc   string
}

// chaosFaults is their order in a script and in a report.
var chaosFaults = []chaosKind{
	{faultKillWorker, chaos.Kill, "SIGKILL to a worker"},
	{faultSegvWorker, chaos.Segv, "SIGSEGV to a worker"},
	{faultStopWorker, chaos.Pause, "SIGSTOP to a worker, and SIGCONT after a while"},
	{faultKillSupervisor, chaos.Fault(faultKillSupervisor), "SIGKILL to the job; then it is resumed, as after the next two"},
	{faultTermSupervisor, chaos.Fault(faultTermSupervisor), "SIGTERM to the job: it finishes what runs"},
	{faultENOSPC, chaos.Fault(faultENOSPC), "the disk is full for the journal and the output"},
	{faultStopSupervisor, chaos.Fault(faultStopSupervisor), "SIGSTOP to the job, and SIGCONT after a while"},
}

// nameOf is what people call a fault of the engine.
func nameOf(f chaos.Fault) chaosFault {
	i := slices.IndexFunc(chaosFaults, func(k chaosKind) bool { return k.fault == f })
	return chaosFaults[i].name
}

func chaosFaultsHelp() string {
	var b strings.Builder
	for _, k := range chaosFaults {
		fmt.Fprintf(&b, "  %-16s %s\n", k.name, k.doc)
	}
	return b.String()
}

func chaosFaultNames() string {
	var names []string
	for _, k := range chaosFaults {
		names = append(names, string(k.name))
	}
	return strings.Join(names, ", ")
}
