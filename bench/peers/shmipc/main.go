// Command shmipc measures cloudwego/shmipc-go: it starts itself as a server,
// opens a stream in its shared memory, and answers requests until standard input
// ends.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"time"

	"github.com/cloudwego/shmipc-go"

	"example.com/handoff/bench/peers/internal/tiny"
)

const (
	serverVar = "HANDOFF_PEERS_SHMIPC"
	noLog     = 5 // the level above errors: they are returned too
	patience  = 10 * time.Second
)

func main() {
	shmipc.SetLogLevel(noLog)
	runtime.GOMAXPROCS(1) // as in its examples: a round trip takes half the time
	run := host
	if os.Getenv(serverVar) != "" {
		run = serve
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "shmipc:", err)
		os.Exit(1)
	}
}

// host is the client: it makes the shared memory, memfds, which need no removal.
func host() (err error) {
	socket, wait, err := startServer()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, wait()) }()

	c := shmipc.DefaultSessionManagerConfig()
	c.Network, c.Address = "unix", socket
	c.MemMapType = shmipc.MemMapTypeMemFd
	c.InitializeTimeout = patience
	m, err := shmipc.NewSessionManager(c)
	if err != nil {
		return err
	}
	defer m.Close()
	stream, err := m.GetStream()
	if err != nil {
		return err
	}
	defer stream.Close()
	return tiny.Serve(func(x int64) (int64, error) {
		if err := write(stream, x); err != nil {
			return 0, err
		}
		return read(stream)
	})
}

// startServer starts this program again with a socket that listens already, at an
// address that the kernel chooses and that is no file. The server ends with its
// one session; wait ends it after some seconds otherwise.
func startServer() (socket string, wait func() error, err error) {
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Net: "unix"})
	if err != nil {
		return "", nil, err
	}
	defer ln.Close()
	f, err := ln.File()
	if err != nil {
		return "", nil, err
	}
	defer f.Close()
	exe, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), serverVar+"=1")
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{f} // descriptor 3
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	return ln.Addr().String(), func() error {
		defer time.AfterFunc(patience/5, func() { cmd.Process.Kill() }).Stop()
		return cmd.Wait()
	}, nil
}

// serve is the server, for one connection and one stream.
func serve() error {
	f := os.NewFile(3, "listener")
	ln, err := net.FileListener(f)
	if err != nil {
		return err
	}
	f.Close()
	defer ln.Close()
	if err := ln.(*net.UnixListener).SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	conn, err := ln.Accept()
	if err != nil {
		return err
	}
	c := shmipc.DefaultConfig()
	c.InitializeTimeout = patience
	s, err := shmipc.Server(conn, c)
	if err != nil {
		return err
	}
	defer s.Close()
	stream, err := s.AcceptStream()
	if err != nil {
		return nil // the client has gone before its first request
	}
	defer stream.Close()
	for {
		x, err := read(stream)
		if errors.Is(err, shmipc.ErrEndOfStream) || errors.Is(err, shmipc.ErrStreamClosed) {
			return nil
		} else if err != nil {
			return err
		}
		if err := write(stream, tiny.Task(x)); err != nil {
			return err
		}
	}
}

func write(s *shmipc.Stream, x int64) error {
	b, err := s.BufferWriter().Reserve(8)
	if err != nil {
		return err
	}
	binary.NativeEndian.PutUint64(b, uint64(x))
	return s.Flush(false)
}

// read gives the slice that the message lies in to the next write.
func read(s *shmipc.Stream) (int64, error) {
	b, err := s.BufferReader().ReadBytes(8)
	if err != nil {
		return 0, err
	}
	x := int64(binary.NativeEndian.Uint64(b))
	s.ReleaseReadAndReuse()
	return x, nil
}
