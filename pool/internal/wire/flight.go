package wire

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"sync/atomic"
)

// The flight ring is the last of what a worker did, in memory that outlives it:
// flightEvents entries in its lane, written by the worker alone and read by the
// supervisor when it is dead: the last of them are of the goroutine that reads
// messages, the others of the one that runs tasks, and each writes its own in turn.
// It takes no clock, and a task costs one entry. An entry, little-endian:
//
//	offset  size  what
//	     0     4  its number, from 1
//	     4     1  kind
//	     5     1  attempt
//	     6     2  function
//	     8     4  of a task: index; of a block: its number; of a segment: its id
//	    12     4  of a task: epoch
const (
	flightEvents = 32
	FlightBytes  = flightEvents * flightEntry
	flightEntry  = 16
	flightTasks  = 24 // entries of the goroutine that runs tasks
)

const (
	FlightHello      = 1
	FlightTask       = 2
	FlightRangeShare = 3
	FlightBlock      = 4
	FlightSegment    = 5
	FlightCancel     = 6
	FlightDrain      = 7
	FlightInit       = 8
	FlightTeardown   = 9 // Teardown
)

var flightNames = [...]string{
	FlightHello: "hello", FlightTask: "task", FlightRangeShare: "share of a range", FlightBlock: "block", FlightSegment: "segment",
	FlightCancel: "cancel", FlightDrain: "drain", FlightInit: "Init", FlightTeardown: "Teardown",
}

// A flight writes the ring.
type FlightRecorder struct {
	Mem             []byte
	n               atomic.Uint32
	tasks, messages uint32 // entries written
}

// task notes what the goroutine that runs tasks does, message what the one that
// reads messages does.
func (f *FlightRecorder) Task(kind byte, attempt int, fn uint16, a, b uint32) {
	f.note(f.tasks%flightTasks, kind, attempt, fn, a, b)
	f.tasks++
}

func (f *FlightRecorder) Message(kind byte, a uint32) {
	f.note(flightTasks+f.messages%(flightEvents-flightTasks), kind, 0, 0, a, 0)
	f.messages++
}

func (f *FlightRecorder) note(at uint32, kind byte, attempt int, fn uint16, a, b uint32) {
	n := f.n.Add(1)
	e := f.Mem[at*flightEntry:][:flightEntry]
	binary.LittleEndian.PutUint64(e, uint64(n)|uint64(kind)<<32|uint64(byte(attempt))<<40|uint64(fn)<<48)
	binary.LittleEndian.PutUint64(e[8:], uint64(a)|uint64(b)<<32)
}

// MaxFlightEvents is how many events a death tells of.
const MaxFlightEvents = 8

// ReadFlight is the last events in words. What is there is a stranger's: entries
// that cannot be are left out.
func ReadFlight(mem []byte, name func(fn uint16) string) (told []string) {
	type entry struct {
		n         uint32
		kind, try byte
		fn        uint16
		a, b      uint32
	}
	var all []entry
	for i := range len(mem) / flightEntry {
		e := mem[i*flightEntry:]
		w, v := binary.LittleEndian.Uint64(e), binary.LittleEndian.Uint64(e[8:])
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
		told = append(told, text)
	}
	return told
}
