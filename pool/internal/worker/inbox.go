package worker

import (
	"fmt"

	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
)

// receive acts on messages until there are no more, or one that is none.
func (w *worker) receive() error {
	buf := make([]byte, wire.MaxMessage)
	for {
		n, fd, err := w.link.Receive(buf)
		if err == nil {
			err = w.handleMessage(buf[:n], fd)
		}
		if err != nil {
			return err
		}
	}
}

// handleMessage acts on one. An error ends the worker: what sends such a message is no
// supervisor.
func (w *worker) handleMessage(msg []byte, fd int) error {
	if msg[0] == wire.MsgAnnounce {
		a, ok := wire.ReadAnnounce(msg)
		if !ok {
			proc.CloseFD(fd)
			return wire.ErrMalformed
		}
		return w.attach(a, fd)
	}
	proc.CloseFD(fd) // no other message brings one
	ok := true
	switch msg[0] {
	case wire.MsgRefuse:
		var why error
		if why, ok = wire.ReadRefuse(msg); ok {
			return w.results.grown(0, nil, why)
		}
	case wire.MsgFree:
		var freed []wire.Allocation
		if freed, ok = wire.ReadFree(msg); ok {
			w.results.freed(freed)
			w.freesRead.Add(1)
		}
	case wire.MsgCancel:
		var id wire.TaskID
		if id, ok = wire.ReadCancel(msg); ok {
			w.lane.Flight.Message(wire.FlightCancel, 0)
			w.call.cancel(id)
		}
	case wire.MsgRetire:
		var id uint32
		if id, ok = wire.ReadRetire(msg); ok {
			w.shared.Retire(id)
			if m := w.segments.remove(id); m.Segment != nil {
				w.host.Detach(m)
			}
		}
	case wire.MsgTrim:
		w.results.arena.Trim()
	case wire.MsgDrain:
		w.lane.Flight.Message(wire.FlightDrain, 0)
		step("drain-heard")
		w.draining.Store(true)
		w.lane.Doorbell.Wake()
	default:
		ok = false
	}
	if !ok {
		return fmt.Errorf("%w: kind %d, %d bytes", wire.ErrMalformed, msg[0], len(msg))
	}
	return nil
}

// A shortage is why a worker cannot map a segment that others can.
type shortage struct{ error }

func (s *shortage) Unwrap() error { return s.error }

// attach maps a segment. A failure is that of the tasks that need it, or, where it is for
// want of resources, the worker's.
func (w *worker) attach(a wire.Announce, fd int) error {
	m := w.host.Attach(a, fd)
	if proc.IsShortage(m.Err) {
		m.Err = &shortage{m.Err}
	}
	w.lane.Flight.Message(wire.FlightSegment, a.ID)
	step("announced")
	w.segments.add(a.ID, m)
	if a.Use == wire.UseResult {
		return w.results.grown(a.ID, m.Segment, m.Err)
	}
	return nil
}
