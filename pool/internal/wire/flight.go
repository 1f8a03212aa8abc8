package wire

import (
	"cmp"
	"fmt"
	"slices"
	"sync/atomic"
)

const (
	flightEvents = 32
	flightEntry  = 16 // bytes
	flightTasks  = 24 // entries of the goroutine that runs tasks

	// FlightBytes is the size of a flight ring.
	FlightBytes = flightEvents * flightEntry
)

// The kinds of events.
const (
	FlightHello      = 1
	FlightTask       = 2
	FlightRangeShare = 3
	FlightBlock      = 4
	FlightSegment    = 5
	FlightCancel     = 6
	FlightDrain      = 7
	FlightInit       = 8
	FlightTeardown   = 9
)

var flightNames = [...]string{
	FlightHello: "hello", FlightTask: "task", FlightRangeShare: "share of a range", FlightBlock: "block", FlightSegment: "segment",
	FlightCancel: "cancel", FlightDrain: "drain", FlightInit: "Init", FlightTeardown: "Teardown",
}

// A FlightRecorder writes a flight ring. An event costs two stores and no clock.
type FlightRecorder struct {
	mem             []byte
	n               atomic.Uint32
	tasks, messages uint32 // entries written
}

// NewFlightRecorder returns one that writes to the first FlightBytes of mem.
func NewFlightRecorder(mem []byte) *FlightRecorder { return &FlightRecorder{mem: mem[:FlightBytes]} }

// Task notes an event of the goroutine that runs tasks, the only one that may call it.
func (f *FlightRecorder) Task(kind byte, attempt int, fn uint16, a, b uint32) {
	f.note(f.tasks%flightTasks, kind, attempt, fn, a, b)
	f.tasks++
}

// Message notes an event of the goroutine that reads messages, the only one that may
// call it.
func (f *FlightRecorder) Message(kind byte, a uint32) {
	f.note(flightTasks+f.messages%(flightEvents-flightTasks), kind, 0, 0, a, 0)
	f.messages++
}

func (f *FlightRecorder) note(at uint32, kind byte, attempt int, fn uint16, a, b uint32) {
	n := f.n.Add(1)
	e := f.mem[at*flightEntry:][:flightEntry]
	le.PutUint64(e, uint64(n)|uint64(kind)<<32|uint64(byte(attempt))<<40|uint64(fn)<<48)
	le.PutUint64(e[8:], uint64(a)|uint64(b)<<32)
}

// MaxFlightEvents is the most events that ReadFlight returns.
const MaxFlightEvents = 8

// ReadFlight returns the last events in words, oldest first. Entries that cannot be are
// left out. name is asked for the names of functions.
func ReadFlight(mem []byte, name func(fn uint16) string) (events []string) {
	type entry struct {
		n         uint32
		kind, try byte
		fn        uint16
		a, b      uint32
	}
	var all []entry
	for i := range len(mem) / flightEntry {
		e := mem[i*flightEntry:]
		w, v := le.Uint64(e), le.Uint64(e[8:])
		got := entry{uint32(w), byte(w >> 32), byte(w >> 40), uint16(w >> 48), uint32(v), uint32(v >> 32)}
		if got.n > 0 && got.kind >= FlightHello && got.kind <= FlightTeardown {
			all = append(all, got)
		}
	}
	slices.SortFunc(all, func(a, b entry) int { return cmp.Compare(a.n, b.n) })
	for _, e := range all[max(len(all)-MaxFlightEvents, 0):] {
		text := flightNames[e.kind]
		switch e.kind {
		case FlightTask, FlightRangeShare:
			text = fmt.Sprintf("%s %s, attempt %d", text, name(e.fn), e.try)
		case FlightBlock, FlightSegment:
			text = fmt.Sprintf("%s %d", text, e.a)
		}
		events = append(events, text)
	}
	return events
}
