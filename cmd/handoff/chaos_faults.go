package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// A chaosFault is a way to disturb a job.
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
	name chaosFault
	doc  string
}

// chaosFaults is their order in a script and in a report.
var chaosFaults = []chaosKind{
	{faultKillWorker, "SIGKILL to a worker"},
	{faultSegvWorker, "SIGSEGV to a worker"},
	{faultStopWorker, "SIGSTOP to a worker, and SIGCONT after a while"},
	{faultKillSupervisor, "SIGKILL to the job; then it is resumed, as after the next two"},
	{faultTermSupervisor, "SIGTERM to the job: it finishes what runs"},
	{faultENOSPC, "the disk is full for the journal and the output"},
	{faultStopSupervisor, "SIGSTOP to the job, and SIGCONT after a while"},
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

// A chaosDecision is one fault to come. Times are in mean pauses.
type chaosDecision struct {
	pause float64 // before it
	fault chaosFault
	rank  uint32  // of the worker, modulo how many there are
	hold  float64 // of a stop: how long
}

// A chaosScript is the endless sequence of decisions. It depends on nothing but the
// seed and the set of faults: neither on what came of a decision nor on the job. Each
// fault comes once before any comes again.
type chaosScript struct {
	rng    *rand.Rand
	faults []chaosFault
	deck   []chaosFault
}

func newChaosScript(seed uint64, faults []chaosFault) *chaosScript {
	return &chaosScript{rng: rand.New(rand.NewPCG(seed, 0x6a6f62)), faults: faults}
}

func (s *chaosScript) next() chaosDecision {
	if len(s.deck) == 0 {
		s.deck = append(s.deck, s.faults...)
		s.rng.Shuffle(len(s.deck), func(i, j int) { s.deck[i], s.deck[j] = s.deck[j], s.deck[i] })
	}
	d := chaosDecision{s.share(), s.deck[0], s.rng.Uint32(), s.share()}
	s.deck = s.deck[1:]
	return d
}

// share is exponentially distributed with mean 1, and at most 8.
func (s *chaosScript) share() float64 { return min(s.rng.ExpFloat64(), 8) }

// longestHold bounds a stop: well below the time after which a pool takes a worker
// that is stopped for dead.
const longestHold = 3 * time.Second
