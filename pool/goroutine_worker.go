package pool

import (
	"fmt"
	"io"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// serveLocal runs a worker as goroutines of this process.
func (p *Pool) serveLocal(local *proc.Local, link proc.Link, l *lane.Lane, me wire.Hello, slot int) error {
	mine, err := lane.NewWorker(l.Memory().Bytes, p.ranges.control.Bytes, l.Bell, p.leader.doorbell)
	if err != nil {
		return err
	}
	var m *meter
	if p.hooks.measured() {
		m = &meter{clock: proc.ThreadClock()}
	}
	err = serve(link, mine, p.table, me, host{
		meter:        m,
		slot:         slot,
		segmentBytes: p.opts.Results.SegmentBytes,
		patient:      true,            // its memory must not go before it
		leave:        local.AtRelease, // its results go last: their segments are the supervisor's, who may not have taken all
		attach: func(a wire.Announce, fd int) attached {
			proc.CloseFD(fd)
			if seg := p.segments.find(a.ID); seg != nil {
				return attached{seg: seg, views: seg}
			}
			return attached{err: fmt.Errorf("segment %q: %w", a.Name, shm.ErrClosed)}
		},
		detach: func(attached) {},
	})
	if err == io.EOF {
		return nil
	}
	return err
}
