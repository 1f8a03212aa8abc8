package prom

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/handoff/pool"
)

// A metric is one family: how it is called, and what it is in the Stats of an S.
type metric[S any] struct {
	name string // behind the prefix
	kind prometheus.ValueType
	by   string // its label; "" if it has none
	help string
	read func(s *S, put put)
}

// put takes one value, with that of the label if there is one.
type put func(v float64, by ...string)

const (
	counter = prometheus.CounterValue
	gauge   = prometheus.GaugeValue
)

var metrics = []metric[pool.Stats]{
	{"attempts_total", counter, "", "Tasks and blocks of ranges started, again after a death included.",
		func(s *pool.Stats, put put) { put(float64(s.Attempts)) }},
	{"tasks_total", counter, "outcome", "Tasks resolved, ranges not among them.", outcomes},
	{"retries_total", counter, "", "Attempts of tasks that were lost and are made again.",
		func(s *pool.Stats, put put) { put(float64(s.Retries)) }},
	{"deaths_total", counter, "class", "Deaths of workers, by how they ended.", deaths},
	{"dying_workers", gauge, "", "Deaths that are not counted yet, because it is not known of what.",
		func(s *pool.Stats, put put) { put(float64(s.Dying)) }},
	{"memory_deaths_total", counter, "", "Deaths for want of memory, proven or suspected.",
		func(s *pool.Stats, put put) { put(float64(s.Memory.Deaths)) }},
	{"respawns_total", counter, "", "Workers to be replaced after a death.",
		func(s *pool.Stats, put put) { put(float64(s.Respawns)) }},
	{"retired_total", counter, "", "Workers that were replaced or ended between two tasks.",
		func(s *pool.Stats, put put) { put(float64(s.Retired)) }},
	{"quarantined_indices_total", counter, "", "Indices of ranges that were left out because they kill their workers.",
		func(s *pool.Stats, put put) { put(float64(s.Quarantined)) }},
	{"task_array_bytes_total", counter, "", "Size of the arrays that tasks named.",
		func(s *pool.Stats, put put) { put(float64(s.Memory.BytesByRef)) }},
	{"result_array_bytes_total", counter, "", "Size of the arrays that results named.",
		func(s *pool.Stats, put put) { put(float64(s.Memory.ResultBytesByRef)) }},
	{"by_value_bytes_total", counter, "", "Size of arguments and results by value, as encoded.",
		func(s *pool.Stats, put put) { put(float64(s.BytesByValue)) }},
	{"copied_in_bytes_total", counter, "", "Bytes of arguments and results that were copied into shared memory, by value.",
		func(s *pool.Stats, put put) { put(float64(s.CopiedIn)) }},
	{"copied_out_bytes_total", counter, "", "Bytes of arguments and results that were copied out of shared memory, by value.",
		func(s *pool.Stats, put put) { put(float64(s.CopiedOut)) }},
	{"copied_bytes_total", counter, "", "Bytes that were copied into arrays of the pool's arena.",
		func(s *pool.Stats, put put) { put(float64(s.Memory.BytesCopied)) }},

	{"width", gauge, "", "Workers that may run at once: fewer than the target while memory is short.",
		func(s *pool.Stats, put put) { put(float64(s.Width)) }},
	{"target", gauge, "", "Workers that were asked for.",
		func(s *pool.Stats, put put) { put(float64(s.Target)) }},
	{"ceiling", gauge, "", "The most workers that memory seems to allow. Absent while nobody knows.", ceiling},
	{"spares", gauge, "", "Workers that wait for a death.",
		func(s *pool.Stats, put put) { put(float64(s.Spares)) }},
	{"pending_tasks", gauge, "", "Tasks that no worker has.",
		func(s *pool.Stats, put put) { put(float64(s.Pending)) }},
	{"unresolved_tasks", gauge, "", "Tasks and ranges under way.",
		func(s *pool.Stats, put put) { put(float64(s.Unresolved)) }},
	{"workers", gauge, "state", "Living workers, by what they do.", workers},
	{"worker_private_bytes", gauge, "slot", "Private memory of a living worker, at most a second old while it has tasks. Absent before the first look.", private},
	{"result_mapped_bytes", gauge, "", "Size of the segments that workers' results lie in.",
		func(s *pool.Stats, put put) { put(float64(s.Memory.ResultBytesMapped)) }},
	{"shared_header_bytes", gauge, "", "Private memory of all processes for what Shared values lead to.",
		func(s *pool.Stats, put put) { put(float64(s.Memory.SharedHeaders)) }},
	{"hook_waiting_calls", gauge, "hook", "Calls of a hook that it has not returned from, one that runs among them.", hooks},
}

func outcomes(s *pool.Stats, put put) {
	put(float64(s.Done), "done")
	put(float64(s.Failed), "failed")
	put(float64(s.Cancelled), "cancelled")
}

// classes are there before the first death of each.
var classes = []pool.ExitClass{
	pool.ExitStatus, pool.ExitFatal, pool.ExitSignal, pool.ExitOOM, pool.ExitDeadline,
	pool.ExitCancel, pool.ExitStopped, pool.ExitStart, pool.ExitProtocol, pool.ExitUnknown,
}

func deaths(s *pool.Stats, put put) {
	n := map[pool.ExitClass]int64{}
	for _, c := range classes {
		n[c] = 0
	}
	for c, deaths := range s.Deaths {
		n[c] = deaths
	}
	for c, deaths := range n {
		put(float64(deaths), string(c))
	}
}

// ceiling is absent where Stats has 0 for not known: as a number of workers it
// would be below every width.
func ceiling(s *pool.Stats, put put) {
	if s.Memory.Ceiling > 0 {
		put(float64(s.Memory.Ceiling))
	}
}

// states are those of workers that have said hello: Stats has no others, but for
// the dead.
var states = []pool.State{pool.StateStandby, pool.StateIdle, pool.StateRunning, pool.StateDraining}

func workers(s *pool.Stats, put put) {
	n := map[pool.State]int{}
	for _, state := range states {
		n[state] = 0
	}
	for _, w := range s.Workers {
		if w.State != pool.StateDead {
			n[w.State]++
		}
	}
	for state, workers := range n {
		put(float64(workers), string(state))
	}
}

// private leaves out the dead, whose slot may have a living worker too.
func private(s *pool.Stats, put put) {
	for _, w := range s.Workers {
		if w.State != pool.StateDead && w.PrivateBytes > 0 {
			put(float64(w.PrivateBytes), strconv.Itoa(w.Slot))
		}
	}
}

func hooks(s *pool.Stats, put put) {
	put(float64(s.Hooks.EventsWaiting), "on_event")
	put(float64(s.Hooks.AttemptsWaiting), "on_attempt")
	put(float64(s.Hooks.RecordsWaiting), "logger")
	put(float64(s.Hooks.LinesWaiting), "output")
}
