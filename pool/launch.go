package pool

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
	workerside "example.com/handoff/pool/internal/worker"
	"example.com/handoff/shm"
	"example.com/handoff/shm/ring"
)

// launch starts an incarnation, with a lane of its own, and returns what its
// hello must say.
func (p *Pool) launch(slot int) (proc.Process, proc.Link, *lane.Lane, wire.Hello, error) {
	return p.launchAs(slot, proc.Config{})
}

// launchAs is launch with more in the child's configuration.
func (p *Pool) launchAs(slot int, cfg proc.Config) (proc.Process, proc.Link, *lane.Lane, wire.Hello, error) {
	want := wire.Hello{Version: wire.Version, Registry: p.table.hash}
	rand.Read(want.Nonce[:])
	fail := func(err error) (proc.Process, proc.Link, *lane.Lane, wire.Hello, error) {
		return nil, nil, nil, want, proc.Remedy(err)
	}
	var err error
	if want.Build, err = proc.BuildID(); err != nil {
		return fail(err)
	}
	l, err := p.openLane()
	if err != nil {
		return fail(err)
	}
	if p.opts.Isolation == Goroutine {
		local, link := proc.GoLocal(func(local *proc.Local, theirs proc.Link) error {
			return p.serveLocal(local, theirs, l, want, slot)
		})
		return local, link, l, want, nil
	}
	start := wire.WorkerStart{
		Version: want.Version, Slot: slot, Nonce: want.Nonce, SegmentBytes: p.opts.Arenas.Results.SegmentBytes,
		Wake: ring.WakeTime(), Spread: p.opts.Workers < usableCores(), Measure: p.hooks.measured(),
	}
	cfg.Files = []*os.File{l.Memory().File(), p.ranges.control.File()} // in the order of the descriptors in internal/worker/process_linux.go
	cfg.Set = append([]string{wire.WorkerEnv + "=" + start.String()}, p.opts.workerLimits()...)
	cfg.Env = p.opts.Env
	cfg.Cores = p.opts.coresOf(slot)
	cfg.MemoryLimit = p.opts.MemoryLimit
	cfg.Run, cfg.Slot = p.segments.run.ID(), slot
	cfg.Output = p.hooks.output.Of(slot)
	c, link, err := p.starter.Start(cfg)
	if err != nil {
		l.End()
		return fail(err)
	}
	if mechanism, noCgroup := c.MemoryMechanism(); mechanism != "" {
		if noCgroup != nil {
			p.hooks.log(slog.LevelDebug, "no memory cgroup for a worker: RLIMIT_DATA instead", "error", noCgroup)
		}
		p.mu.Lock()
		p.stats.Memory.Mechanism = mechanism
		p.mu.Unlock()
	}
	return c, link, l, want, nil
}

// share makes zeroed memory for a process that gets its descriptor, or for
// goroutines.
func (p *Pool) share(bytes int) (lane.Memory, error) {
	if p.opts.Isolation == Goroutine {
		return lane.LocalMemory(bytes), nil
	}
	return lane.NewMemory(p.segments.run, bytes)
}

// openLane makes the lane of a new incarnation.
func (p *Pool) openLane() (*lane.Lane, error) {
	mem, err := p.share(lane.Bytes)
	if err != nil {
		return nil, err
	}
	return lane.New(mem, p.opts.Isolation == Goroutine)
}

// makeControl makes what all workers share: the one doorbell that they use, and
// the counters of ranges.
func (p *Pool) makeControl() (err error) {
	if p.ranges.control, err = p.share(lane.ControlBytes); err != nil {
		return err
	}
	if p.opts.Isolation == Goroutine {
		p.leader.doorbell = ring.NewLocalDoorbell()
		return nil
	}
	p.leader.doorbell, err = lane.Doorbell(p.ranges.control.Bytes)
	return err
}

// serveLocal runs a worker as goroutines of this process.
func (p *Pool) serveLocal(local *proc.Local, link proc.Link, l *lane.Lane, me wire.Hello, slot int) error {
	mine, err := lane.NewWorker(l.Memory().Bytes, p.ranges.control.Bytes, l.Doorbell, p.leader.doorbell)
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
		Sentinels:    sentinelsIn,
		InProcess:    local.AtRelease,
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
