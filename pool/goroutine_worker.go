package pool

import (
	"fmt"
	"io"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
	workerside "example.com/handoff/pool/internal/worker"
	"example.com/handoff/shm"
)

// serveLocal runs a worker as goroutines of this process.
func (p *Pool) serveLocal(local *proc.Local, link proc.Link, l *lane.Lane, me wire.Hello, slot int) error {
	mine, err := lane.NewWorker(l.Memory().Bytes, p.ranges.control.Bytes, l.Bell, p.leader.doorbell)
	if err != nil {
		return err
	}
	var clock *proc.Clock
	if p.hooks.measured() {
		clock = new(proc.ThreadClock())
	}
	err = workerside.Serve(link, mine, p.table.workerFuncs(), me, workerside.Host{
		Clock:        clock,
		Slot:         slot,
		SegmentBytes: p.opts.Arenas.Results.SegmentBytes,
		DrainOnClose: true,            // its memory must not go before it
		AtRelease:    local.AtRelease, // its results go last: their segments are the supervisor's, who may not have taken all
		Attach: func(a wire.Announce, fd int) workerside.Mapping {
			proc.CloseFD(fd)
			if seg := p.segments.find(a.ID); seg != nil {
				return workerside.Mapping{Segment: seg, Views: seg}
			}
			return workerside.Mapping{Err: fmt.Errorf("segment %q: %w", a.Name, shm.ErrClosed)}
		},
		Detach: func(workerside.Mapping) {},
	})
	if err == io.EOF {
		return nil
	}
	return err
}
