package pool

import (
	"io"
	"os"
	"os/signal"

	"golang.org/x/sys/unix"

	"example.com/handoff/shm"
)

// workerSocket is the descriptor of the socket in a worker.
const workerSocket = 3

// runWorker is the life of a worker process.
func runWorker(env string) error {
	unix.CloseOnExec(workerSocket) // first of all: a child of a task must not hold it open
	start, err := parseWorkerStart(env)
	if err != nil {
		return err
	}
	me := hello{version: start.version, pid: uint32(os.Getpid()), nonce: start.nonce}
	if me.build, err = buildID(); err != nil {
		return err
	}
	table := newTable()
	me.registry = table.hash
	if err := unix.SetNonblock(workerSocket, true); err != nil {
		return os.NewSyscallError("socket", err)
	}
	link, err := newSocket(workerSocket)
	if err != nil {
		return err
	}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, unix.SIGTERM)
	go func() {
		<-terminated
		endGroup()
	}()
	err = serve(link, table, me, host{
		slot:         start.slot,
		segmentBytes: start.segmentBytes,
		attach:       attach,
		detach: func(a attached) {
			a.seg.Close()
			a.views.Close()
		},
	})
	if err == io.EOF { // nobody is left to work for
		endGroup()
	}
	return err
}

// attach maps a segment, once read-only for Views and, where the worker writes
// to it, once more for Arrays: so a store through a View is a fault whatever it
// is a View of.
func attach(a announce, fd int) attached {
	open := func(mode shm.Mode) (*shm.Segment, error) { return shm.Attach(a.name, a.size, mode) }
	if fd >= 0 {
		f := os.NewFile(uintptr(fd), a.name)
		defer f.Close()
		open = func(mode shm.Mode) (*shm.Segment, error) { return shm.AttachFile(f, a.name, a.size, mode) }
	}
	views, err := open(shm.ReadOnly)
	if err != nil || a.use == useInput {
		return attached{views, views, err}
	}
	seg, err := open(shm.ReadWrite)
	if err != nil {
		views.Close()
		return attached{err: err}
	}
	return attached{seg, views, nil}
}

// endGroup ends this worker and all that its tasks started. It does not return.
func endGroup() {
	if unix.Getpgrp() == os.Getpid() {
		unix.Kill(0, unix.SIGKILL)
	}
	os.Exit(1)
}
