package proc

import (
	"io"
	"os"
	"sync"
)

// A Local is a worker made of goroutines of this process, the [Process] for Isolation =
// Goroutine. It cannot be killed: Kill ends its link, and it is dead when its function
// has returned.
type Local struct {
	link  Link
	dead  chan struct{}
	err   error
	atEnd func()
}

// GoLocal starts run in a goroutine, with its end of a link; the other is the caller's.
func GoLocal(run func(l *Local, theirs Link) error) (*Local, Link) {
	ours, theirs := LocalPair()
	l := &Local{link: ours, dead: make(chan struct{})}
	go func() {
		defer close(l.dead)
		l.err = run(l, theirs)
	}()
	return l, ours
}

// AtRelease has f called by Release. It is for run.
func (l *Local) AtRelease(f func()) { l.atEnd = f }

func (l *Local) PID() int              { return os.Getpid() }
func (l *Local) Terminate()            {}
func (l *Local) Kill()                 { l.link.Close() }
func (l *Local) Dead() <-chan struct{} { return l.dead }
func (l *Local) Left() error           { return nil }
func (l *Local) OOMKilled() bool       { return false }
func (l *Local) Peak() int64           { return 0 }

func (l *Local) Exit() (e Exit) {
	if l.err != nil {
		e.Code = 1
	}
	return e
}

func (l *Local) Output() string {
	if l.err != nil {
		return l.err.Error()
	}
	return ""
}

func (l *Local) Release() {
	if l.atEnd != nil {
		l.atEnd()
	}
}

// LocalPair is both ends of a link within this process.
func LocalPair() (Link, Link) {
	a, b := make(chan []byte, MaxBacklog), make(chan []byte, MaxBacklog)
	closed := &closing{c: make(chan struct{})}
	return &localLink{in: a, out: b, closed: closed}, &localLink{in: b, out: a, closed: closed}
}

type localLink struct {
	in, out chan []byte
	closed  *closing // of both ends: one gone, both gone
}

// A closing closes its channel once.
type closing struct {
	once sync.Once
	c    chan struct{}
}

func (l *localLink) Send(msg []byte, _ int) error {
	select {
	case <-l.closed.c:
		return io.ErrClosedPipe
	default:
	}
	select {
	case l.out <- append([]byte(nil), msg...):
		return nil
	default:
		return ErrBacklog
	}
}

func (l *localLink) Receive(buf []byte) (int, int, error) {
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

func (l *localLink) EndReceive() { l.Close() }

func (l *localLink) Close() error {
	l.closed.once.Do(func() { close(l.closed.c) })
	return nil
}
