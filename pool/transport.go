package pool

import (
	"errors"
	"io"
	"sync"
)

// A transport carries messages between the supervisor and one worker. Send may
// be called from several goroutines and never blocks; Receive from one.
type transport interface {
	// Send sends one message of 1 to maxMessage bytes and, if fd ≥ 0, a
	// descriptor, which stays the caller's. The error is io.ErrClosedPipe at the
	// end of the link, which Receive reports too; after any other, such as
	// errBacklog, the other side lacks a message.
	Send(msg []byte, fd int) error
	// Receive waits for the next message and puts it into buf, of at least
	// maxMessage bytes. The error is io.EOF when the other side is gone and
	// everything it had sent was received. fd is −1 or the caller's to close.
	Receive(buf []byte) (n, fd int, err error)
	// EndReceive makes Receive return io.EOF once what has arrived is read.
	EndReceive()
	Close() error
}

var (
	errBacklog = errors.New("it does not read its messages")
	errMessage = errors.New("a message is longer than the protocol allows")
	// Too many open files, mostly: the kernel drops what it cannot give.
	errDescriptor = errors.New("a descriptor of a message did not arrive: raise ulimit -n")
)

// maxBacklog bounds the messages that wait because the other side does not read.
const maxBacklog = 1024

// localPair is a transport within this process, for workers that are goroutines.
func localPair() (transport, transport) {
	a, b := make(chan []byte, maxBacklog), make(chan []byte, maxBacklog)
	closed := &closeOnce{c: make(chan struct{})}
	return &local{in: a, out: b, closed: closed}, &local{in: b, out: a, closed: closed}
}

type local struct {
	in, out chan []byte
	closed  *closeOnce // of both ends: one gone, both gone
}

type closeOnce struct {
	once sync.Once
	c    chan struct{}
}

func (l *local) Send(msg []byte, _ int) error {
	select {
	case <-l.closed.c:
		return io.ErrClosedPipe
	default:
	}
	select {
	case l.out <- append([]byte(nil), msg...):
		return nil
	default:
		return errBacklog
	}
}

func (l *local) Receive(buf []byte) (int, int, error) {
	select {
	case m := <-l.in:
		return copy(buf, m), -1, nil
	default:
	}
	select {
	case m := <-l.in:
		return copy(buf, m), -1, nil
	case <-l.closed.c:
	}
	select { // what was sent before the close
	case m := <-l.in:
		return copy(buf, m), -1, nil
	default:
		return 0, -1, io.EOF
	}
}

func (l *local) EndReceive() { l.Close() }

func (l *local) Close() error {
	l.closed.once.Do(func() { close(l.closed.c) })
	return nil
}
