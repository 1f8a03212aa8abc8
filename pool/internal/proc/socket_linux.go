package proc

import (
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// socketPair is one socketpair(AF_UNIX, SOCK_SEQPACKET): ours as a link, theirs as the
// file that the child inherits.
func socketPair() (ours *socket, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	theirs = os.NewFile(uintptr(fds[1]), "worker socket")
	if ours, err = newSocket(fds[0]); err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// A socket is a link over a non-blocking SEQPACKET socket in the netpoller.
type socket struct {
	f   *os.File
	raw syscall.RawConn
	oob []byte // of Receive

	mu       sync.Mutex
	backlog  []queued // what did not fit into the kernel's buffer, in order
	flushing bool
}

type queued struct {
	msg []byte
	fd  int // a copy of the caller's, or −1
}

// InheritedSocket is the child's end of its socket.
func InheritedSocket() (Link, error) {
	if err := unix.SetNonblock(SocketFD, true); err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	return newSocket(SocketFD)
}

// newSocket takes the descriptor over.
func newSocket(fd int) (*socket, error) {
	f := os.NewFile(uintptr(fd), "socket")
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil, err
	}
	return &socket{f: f, raw: raw, oob: make([]byte, unix.CmsgSpace(4))}, nil
}

func (s *socket) Send(msg []byte, fd int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.backlog) == 0 {
		var sendErr error
		err := s.raw.Control(func(sock uintptr) { sendErr = send(int(sock), msg, fd) })
		switch {
		case err != nil || ended(sendErr):
			return io.ErrClosedPipe
		case sendErr != unix.EAGAIN:
			return os.NewSyscallError("sendmsg", sendErr)
		}
	}
	if len(s.backlog) >= MaxBacklog {
		return ErrBacklog
	}
	if fd >= 0 { // the caller may close it before it is sent
		var err error
		if fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0); err != nil {
			return os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
		}
	}
	s.backlog = append(s.backlog, queued{append([]byte(nil), msg...), fd})
	if !s.flushing {
		s.flushing = true
		go s.flush()
	}
	return nil
}

// ended reports whether an error of send is the end of the socket, which Receive
// reports too.
func ended(err error) bool {
	return err == unix.EPIPE || err == unix.ECONNRESET || err == unix.ENOTCONN
}

func send(sock int, msg []byte, fd int) error {
	var oob []byte
	if fd >= 0 {
		oob = unix.UnixRights(fd)
	}
	for {
		err := unix.Sendmsg(sock, msg, oob, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return err
		}
	}
}

// flush sends the backlog as the kernel takes it, and ends when it is empty or
// the socket is closed.
func (s *socket) flush() {
	err := s.raw.Write(func(sock uintptr) (done bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		for len(s.backlog) > 0 {
			q := s.backlog[0]
			err := send(int(sock), q.msg, q.fd)
			if err == unix.EAGAIN {
				return false
			}
			if err != nil && !ended(err) { // the peer must not go on without it
				unix.Shutdown(int(sock), unix.SHUT_RDWR)
			}
			CloseFD(q.fd)
			s.backlog = s.backlog[1:]
		}
		s.flushing = false
		return true
	})
	if err != nil {
		s.mu.Lock()
		for _, q := range s.backlog {
			CloseFD(q.fd)
		}
		s.flushing, s.backlog = false, nil
		s.mu.Unlock()
	}
}

func (s *socket) Receive(buf []byte) (n, fd int, err error) {
	fd = -1
	var oobn, flags int
	waitErr := s.raw.Read(func(sock uintptr) bool {
		for {
			n, oobn, flags, _, err = unix.Recvmsg(int(sock), buf, s.oob, unix.MSG_DONTWAIT|unix.MSG_CMSG_CLOEXEC)
			switch err {
			case unix.EAGAIN:
				return false
			case unix.EINTR, unix.ECONNRESET: // a reset comes before what the peer sent last
				continue
			}
			return true
		}
	})
	if waitErr != nil { // closed here
		return 0, -1, io.EOF
	}
	if err != nil {
		return 0, -1, os.NewSyscallError("recvmsg", err)
	}
	if oobn > 0 {
		fd = firstFD(s.oob[:oobn])
	}
	if flags&unix.MSG_TRUNC != 0 || flags&unix.MSG_CTRUNC != 0 {
		if fd >= 0 {
			unix.Close(fd)
		}
		if flags&unix.MSG_TRUNC == 0 {
			return 0, -1, errDescriptor
		}
		return 0, -1, errMessage
	}
	if n == 0 {
		CloseFD(fd)
		return 0, -1, io.EOF
	}
	return n, fd, nil
}

// firstFD is the first descriptor that came with a message, others are closed.
func firstFD(oob []byte) int {
	first := -1
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return first
	}
	for i := range msgs {
		fds, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			continue
		}
		for _, fd := range fds {
			if first < 0 {
				first = fd
			} else {
				unix.Close(fd)
			}
		}
	}
	return first
}

func (s *socket) EndReceive() {
	s.raw.Control(func(sock uintptr) { unix.Shutdown(int(sock), unix.SHUT_RD) })
}

func (s *socket) Close() error { return s.f.Close() }

// CloseFD closes a descriptor that came with a message; −1 is none.
func CloseFD(fd int) {
	if fd >= 0 {
		unix.Close(fd)
	}
}
