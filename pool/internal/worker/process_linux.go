package worker

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
	"example.com/handoff/shm/ring"
)

// The descriptors that a worker process inherits after its socket: its lane, and what it
// shares with all.
const (
	laneFD    = proc.SocketFD + 1
	controlFD = proc.SocketFD + 2
)

// Run is the life of a worker process that finds env in its environment.
func (p Program) Run(env string) error {
	for fd := proc.SocketFD; fd <= controlFD; fd++ {
		unix.CloseOnExec(fd) // first of all: a child of a task must not hold it open
	}
	start, err := wire.ParseWorkerStart(env)
	if err != nil {
		return err
	}
	if len(os.Args) > 0 { // an init function may have emptied it
		os.WriteFile("/proc/self/comm", []byte(filepath.Base(os.Args[0])), 0) // else ps says exe
	}
	ring.SetWakeTime(start.Wake)
	me := wire.Hello{Version: start.Version, PID: uint32(os.Getpid()), Registry: p.Registry, Nonce: start.Nonce}
	if me.Build, err = proc.BuildID(); err != nil {
		return err
	}
	link, err := proc.InheritedSocket()
	if err != nil {
		return err
	}
	mine, err := inheritedLane()
	if err != nil {
		return err
	}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, unix.SIGTERM)
	go func() {
		<-terminated
		proc.EndGroup()
	}()
	mine.Flight.Message(wire.FlightInit, 0)
	initiated := make(chan struct{})
	go endWithSupervisor(initiated)
	err = p.Init()
	close(initiated)
	if err != nil {
		return err
	}
	if err = Serve(link, mine, p.Funcs, me, p.host(start)); err == io.EOF { // nobody is left to work for
		proc.EndGroup()
	}
	return err
}

func (p Program) host(start wire.WorkerStart) Host {
	h := Host{
		Slot: start.Slot, SegmentBytes: start.SegmentBytes, Spread: start.Spread, Sentinels: p.Sentinels,
		Teardown: func() {
			for _, err := range p.Teardown() {
				fmt.Fprintln(os.Stderr, wire.StderrPrefix+err.Error())
			}
		},
		Attach: attach,
		Detach: func(m Mapping) {
			m.Segment.Close()
			m.Views.Close()
		},
	}
	if start.Measure {
		h.Clock = new(proc.ProcessClock())
	}
	return h
}

// initLook is the pause between looks at the supervisor during Init, which may hang.
const initLook = 200 * time.Millisecond

// endWithSupervisor looks, until the messages are read, whether the supervisor is
// still there: an Init may hang.
func endWithSupervisor(until <-chan struct{}) {
	for {
		select {
		case <-until:
			return
		case <-time.After(initLook):
		}
		fds := []unix.PollFd{{Fd: proc.SocketFD, Events: unix.POLLRDHUP}}
		if n, err := unix.Poll(fds, 0); n > 0 && err == nil && fds[0].Revents&(unix.POLLHUP|unix.POLLRDHUP) != 0 {
			proc.EndGroup()
		}
	}
}

// inheritedLane maps the memory that the supervisor has passed on. It is mapped
// for as long as the worker lives.
func inheritedLane() (w lane.Worker, err error) {
	open := func(fd int, name string, bytes int) ([]byte, error) {
		f := os.NewFile(uintptr(fd), name)
		defer f.Close()
		seg, err := shm.AttachFile(f, name, int64(bytes), shm.ReadWrite)
		if err != nil {
			return nil, err
		}
		m, err := lane.MapMemory(seg, bytes)
		return m.Bytes, err
	}
	mem, err := open(laneFD, "lane", lane.Bytes)
	if err != nil {
		return w, err
	}
	control, err := open(controlFD, "control", lane.ControlBytes)
	if err != nil {
		return w, err
	}
	doorbell, err := lane.Doorbell(mem)
	if err != nil {
		return w, err
	}
	supervisor, err := lane.Doorbell(control)
	if err != nil {
		return w, err
	}
	return lane.NewWorker(mem, control, doorbell, supervisor)
}

// attach maps a segment, once read-only for Views and, where the worker writes
// to it, once more for Arrays: so a store through a View is a fault whatever it
// is a View of.
func attach(a wire.Announce, fd int) Mapping {
	open := func(mode shm.Mode) (*shm.Segment, error) { return shm.Attach(a.Name, a.Size, mode) }
	if fd >= 0 {
		f := os.NewFile(uintptr(fd), a.Name)
		defer f.Close()
		open = func(mode shm.Mode) (*shm.Segment, error) { return shm.AttachFile(f, a.Name, a.Size, mode) }
	}
	views, err := open(shm.ReadOnly)
	if err != nil || a.Use == wire.UseInput {
		return Mapping{views, views, err}
	}
	seg, err := open(shm.ReadWrite)
	if err != nil {
		views.Close()
		return Mapping{Err: err}
	}
	return Mapping{seg, views, nil}
}
