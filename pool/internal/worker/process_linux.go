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

// The descriptors of a worker: its socket, its lane, and what it shares with all.
const (
	workerSocket  = proc.SocketFD
	workerLaneFD  = workerSocket + 1
	workerControl = workerSocket + 2
)

// Run is the life of a worker process that finds env in its environment. funcs are all
// functions, in the order of their numbers, and registry is a hash of them.
func Run(env string, funcs []Func, registry [16]byte, inits func() error, teardowns func() []error) error {
	for fd := workerSocket; fd <= workerControl; fd++ {
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
	me := wire.Hello{Version: start.Version, PID: uint32(os.Getpid()), Nonce: start.Nonce}
	if me.Build, err = proc.BuildID(); err != nil {
		return err
	}
	me.Registry = registry
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
	err = inits()
	close(initiated)
	if err != nil {
		return err
	}
	var clock *proc.Clock
	if start.Measure {
		clock = new(proc.ProcessClock())
	}
	err = Serve(link, mine, funcs, me, Host{
		Clock: clock,
		Teardown: func() {
			for _, err := range teardowns() {
				fmt.Fprintln(os.Stderr, wire.StderrPrefix+err.Error())
			}
		},
		Slot:         start.Slot,
		SegmentBytes: start.SegmentBytes,
		Spread:       start.Spread,
		Attach:       attach,
		Detach: func(a Mapping) {
			a.Segment.Close()
			a.Views.Close()
		},
	})
	if err == io.EOF { // nobody is left to work for
		proc.EndGroup()
	}
	return err
}

// endWithSupervisor looks, until the messages are read, whether the supervisor is
// still there: an Init may hang.
func endWithSupervisor(until <-chan struct{}) {
	for {
		select {
		case <-until:
			return
		case <-time.After(initLook):
		}
		fds := []unix.PollFd{{Fd: workerSocket, Events: unix.POLLRDHUP}}
		if n, err := unix.Poll(fds, 0); n > 0 && err == nil && fds[0].Revents&(unix.POLLHUP|unix.POLLRDHUP) != 0 {
			proc.EndGroup()
		}
	}
}

const initLook = 200 * time.Millisecond

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
	mem, err := open(workerLaneFD, "lane", lane.Bytes)
	if err != nil {
		return w, err
	}
	control, err := open(workerControl, "control", lane.ControlBytes)
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
