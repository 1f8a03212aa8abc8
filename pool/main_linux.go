package pool

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"

	"golang.org/x/sys/unix"

	"example.com/handoff/shm"
)

// workerSocket is the descriptor of the socket in a worker.
const workerSocket = 3

// runWorker is the life of a worker process.
func runWorker(env string) error {
	unix.CloseOnExec(workerSocket) // first of all: a child of a task must not hold it open
	version, slot, nonce, err := parseWorkerEnv(env)
	if err != nil {
		return err
	}
	if version != protocolVersion {
		return fmt.Errorf("the supervisor speaks protocol version %d, this worker %d", version, protocolVersion)
	}
	me := hello{version: protocolVersion, pid: uint32(os.Getpid()), nonce: nonce}
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
	fam := &family{pidfds: map[int]int{}}
	orphaned := make(chan os.Signal, 1)
	signal.Notify(orphaned, unix.SIGTERM)
	go func() {
		<-orphaned
		fam.end()
	}()
	err = serve(link, table, me, host{
		slot: slot,
		attach: func(a announce) (*shm.Segment, error) {
			mode := shm.ReadOnly
			if a.writable {
				mode = shm.ReadWrite
			}
			return shm.Attach(a.name, a.size, mode)
		},
		detach:  func(s *shm.Segment) { s.Close() },
		sibling: fam.add,
	})
	if err == io.EOF { // nobody is left to work for
		fam.end()
	}
	return err
}

// A family is the workers of the same pool, by their pidfds.
type family struct {
	mu     sync.Mutex
	pidfds map[int]int // by slot
}

func (f *family) add(slot, fd int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if old, ok := f.pidfds[slot]; ok {
		unix.Close(old)
	}
	f.pidfds[slot] = fd
}

// end ends this worker and all that its tasks started, and wakes stopped
// siblings so that they see the end of their sockets and do the same: the kernel
// wakes them only where their group becomes orphaned, which it does not where
// their new parent is of the same session (a shell as process 1 of a container).
// It does not return.
func (f *family) end() {
	f.mu.Lock()
	for _, fd := range f.pidfds {
		unix.PidfdSendSignal(fd, unix.SIGCONT, nil, 0)
	}
	if unix.Getpgrp() == os.Getpid() {
		unix.Kill(0, unix.SIGKILL)
	}
	os.Exit(1)
}
