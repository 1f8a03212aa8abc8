package pool

import (
	"fmt"
	"io"
	"os"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A localProcess is a worker made of goroutines of this process.
type localProcess struct {
	link transport
	dead chan struct{}
	err  error
	end  func() // ends its results: their segments are the supervisor's, who has last words to take
}

func (l *localProcess) PID() int              { return os.Getpid() }
func (l *localProcess) Terminate()            {}
func (l *localProcess) Kill()                 { l.link.Close() }
func (l *localProcess) Dead() <-chan struct{} { return l.dead }

func (l *localProcess) Left() error { return nil }

func (l *localProcess) Release() {
	if l.end != nil {
		l.end()
	}
}

func (l *localProcess) Exit() exitState {
	if l.err != nil {
		return exitState{code: 1}
	}
	return exitState{}
}

func (l *localProcess) OOMKilled() bool { return false }

func (l *localProcess) Peak() int64 { return 0 }

func (l *localProcess) Output() string {
	if l.err != nil {
		return l.err.Error()
	}
	return ""
}

// serveLocal runs a worker as goroutines of this process.
func (p *Pool) serveLocal(local *localProcess, link transport, l *lane, me wire.Hello, slot int) error {
	lane, err := newWorkerLane(l.mem.bytes, p.ranges.control.bytes, l.bell, p.leader.doorbell)
	if err != nil {
		return err
	}
	var m *meter
	if p.hooks.measured() {
		m = &meter{clock: threadClock()}
	}
	err = serve(link, lane, p.table, me, host{
		meter:        m,
		slot:         slot,
		segmentBytes: p.opts.Results.SegmentBytes,
		patient:      true, // its memory must not go before it
		leave:        func(end func()) { local.end = end },
		attach: func(a wire.Announce, fd int) attached {
			closeFD(fd)
			p.mu.Lock()
			defer p.mu.Unlock()
			if known := p.segments.byID[a.ID]; known != nil {
				return attached{seg: known.seg, views: known.seg}
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
