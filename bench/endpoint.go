package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

// A conn is one end of a stream to a peer.
type conn interface {
	io.ReadWriteCloser
	SetDeadline(time.Time) error
}

// A listener is where the supervisor waits for one peer. accept is called once;
// ctx bounds it.
type listener interface {
	accept(ctx context.Context) (c conn, pid int, err error)
	Close() error
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// interrupt ends the reads and writes of c when ctx ends. stop ends the watch.
func interrupt(ctx context.Context, c interface{ SetDeadline(time.Time) error }) (stop func() bool) {
	return context.AfterFunc(ctx, func() { c.SetDeadline(past) })
}

// listen makes the strategy's FIFOs or socket in dir.
func listen(strategy, dir string) (listener, error) {
	path := filepath.Join(dir, strategy)
	if strategy != unixRaw {
		return listenFIFO(path)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	return unixListener{l}, nil
}

// dial connects a peer to where the supervisor listens and says who it is.
func dial(strategy, dir string) (c conn, err error) {
	path := filepath.Join(dir, strategy)
	if strategy == unixRaw {
		c, err = net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	} else {
		c, err = dialFIFO(path)
	}
	if err != nil {
		return nil, err
	}
	if _, err := c.Write(binary.LittleEndian.AppendUint64(nil, uint64(os.Getpid()))); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// readHello is the process id that a peer says first.
func readHello(r io.Reader) (pid int, err error) {
	var b [8]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return 0, fmt.Errorf("its first message: %w", noEOF(err))
	}
	return int(binary.LittleEndian.Uint64(b[:])), nil
}

type unixListener struct{ *net.UnixListener }

func (l unixListener) accept(ctx context.Context) (conn, int, error) {
	defer interrupt(ctx, l)()
	c, err := l.AcceptUnix()
	if err != nil {
		return nil, 0, err
	}
	defer interrupt(ctx, c)()
	pid, err := readHello(c)
	if err != nil {
		return nil, 0, errors.Join(err, c.Close())
	}
	return c, pid, nil
}

// A meter counts what passes through a descriptor at this end. One goroutine
// uses it at a time.
type meter struct {
	io.ReadWriter
	bytes int64
}

func (m *meter) Read(b []byte) (int, error) {
	n, err := m.ReadWriter.Read(b)
	m.bytes += int64(n)
	return n, err
}

func (m *meter) Write(b []byte) (int, error) {
	n, err := m.ReadWriter.Write(b)
	m.bytes += int64(n)
	return n, err
}
