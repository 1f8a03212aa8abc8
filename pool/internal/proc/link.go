package proc

import "errors"

// A Link carries messages between the supervisor and one worker. Send may
// be called from several goroutines and never blocks; Receive from one.
type Link interface {
	// Send sends one message of 1 or more bytes and, if fd ≥ 0, a
	// descriptor, which stays the caller's. The error is io.ErrClosedPipe at the
	// end of the link, which Receive reports too; after any other, such as
	// ErrBacklog, the other side lacks a message.
	Send(msg []byte, fd int) error
	// Receive waits for the next message and puts it into buf, in which the longest
	// must fit. The error is io.EOF when the other side is gone and
	// everything it had sent was received. fd is −1 or the caller's to close.
	Receive(buf []byte) (n, fd int, err error)
	// EndReceive makes Receive return io.EOF once what has arrived is read.
	EndReceive()
	Close() error
}

var (
	// ErrBacklog: MaxBacklog messages wait already.
	ErrBacklog = errors.New("it does not read its messages")
	errMessage = errors.New("a message is longer than the protocol allows")
	// Too many open files, mostly: the kernel drops what it cannot give.
	errDescriptor = errors.New("a descriptor of a message did not arrive: raise ulimit -n")
)

// MaxBacklog bounds the messages that wait because the other side does not read.
const MaxBacklog = 1024
