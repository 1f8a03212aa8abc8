package bench

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	forth = ".forth" // supervisor to peer
	back  = ".back"  // peer to supervisor
)

// A fifoPair is one end of two FIFOs.
type fifoPair struct{ r, w *os.File }

func (p fifoPair) Read(b []byte) (int, error)  { return p.r.Read(b) }
func (p fifoPair) Write(b []byte) (int, error) { return p.w.Write(b) }
func (p fifoPair) Close() error                { return errors.Join(p.r.Close(), p.w.Close()) }

func (p fifoPair) SetDeadline(t time.Time) error {
	return errors.Join(p.r.SetDeadline(t), p.w.SetDeadline(t))
}

// openFIFOs opens one FIFO for reading and the other for writing, or each for
// both. Nothing waits: a FIFO without anybody at its other end is an error for
// the writer.
func openFIFOs(read, write string, both bool) (fifoPair, error) {
	rflag, wflag := os.O_RDONLY, os.O_WRONLY
	if both {
		rflag, wflag = os.O_RDWR, os.O_RDWR
	}
	r, err := os.OpenFile(read, rflag|unix.O_NONBLOCK, 0)
	if err != nil {
		return fifoPair{}, err
	}
	w, err := os.OpenFile(write, wflag|unix.O_NONBLOCK, 0)
	if err != nil {
		return fifoPair{}, errors.Join(err, r.Close())
	}
	return fifoPair{r, w}, nil
}

// A fifoListener holds both ends of both FIFOs open until the peer has opened
// its own, so that neither side waits for the other in open.
type fifoListener struct {
	path string
	hold fifoPair
}

func listenFIFO(path string) (listener, error) {
	for _, name := range []string{path + forth, path + back} {
		if err := unix.Mkfifo(name, 0o600); err != nil {
			return nil, &os.PathError{Op: "mkfifo", Path: name, Err: err}
		}
	}
	hold, err := openFIFOs(path+back, path+forth, true)
	if err != nil {
		return nil, err
	}
	return fifoListener{path, hold}, nil
}

// accept opens the supervisor's own ends once the peer has spoken. From the
// listener's Close on, the death of the peer is the end of its stream.
func (l fifoListener) accept(ctx context.Context) (conn, int, error) {
	defer interrupt(ctx, l.hold)()
	pid, err := readHello(l.hold)
	if err != nil {
		return nil, 0, err
	}
	c, err := openFIFOs(l.path+back, l.path+forth, false)
	if err != nil {
		return nil, 0, err
	}
	return c, pid, nil
}

func (l fifoListener) Close() error { return l.hold.Close() }

func dialFIFO(path string) (conn, error) {
	c, err := openFIFOs(path+forth, path+back, false)
	if err != nil {
		return nil, err
	}
	return c, nil
}
