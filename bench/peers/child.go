package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"

	"example.com/handoff/bench/internal/cores"
	"example.com/handoff/bench/stat"
)

// childVar says in a child's environment which peer it is.
const childVar = "HANDOFF_PEERS_CHILD"

// exitTimeout bounds the time between the end of a child's input and its kill.
const exitTimeout = 5 * time.Second

// peers are what copies of this program can be. Each ends with its standard
// input.
var peers = map[string]func() error{
	"echo": echoPeer,
	"gob":  gobPeer,
	"byte": bytePeer,
}

// A child is a process at the other end of two pipes.
type child struct {
	in  io.WriteCloser
	out io.ReadCloser
	cmd *exec.Cmd
}

// self is a command that runs this program as a peer.
func self(peer string) (*exec.Cmd, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childVar+"="+peer)
	return cmd, nil
}

// start runs cmd in a process group of its own until the session ends: it gets
// the end of its input, and if that does not end it, SIGKILL, its group too.
func (s *session) start(cmd *exec.Cmd) (*child, error) {
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = os.Stderr
	ownGroup(cmd)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c := &child{in, out, cmd}
	s.cleanup(func() error {
		in.Close()
		timer := time.AfterFunc(exitTimeout, func() { killGroup(cmd.Process) })
		_, _ = io.Copy(io.Discard, out) // to its end: Wait closes the pipe
		err := cmd.Wait()
		if timer.Stop() && err != nil {
			return fmt.Errorf("the end of %s: %w", cmd.Path, err)
		}
		return nil
	})
	if s.other >= 0 {
		return c, cores.MoveTo(cmd.Process.Pid, s.other)
	}
	return c, nil
}

// copyOf starts a copy of this program as a peer.
func (s *session) copyOf(peer string) (*child, error) {
	cmd, err := self(peer)
	if err != nil {
		return nil, err
	}
	return s.start(cmd)
}

// A remote is a program that measures by itself and says what it found: it reads
// requests and writes answers, each a line of JSON.
type remote struct {
	*child
	lines *bufio.Reader
}

type request struct {
	Op    string `json:"op"`
	Trips int    `json:"trips"`
	Bytes int64  `json:"bytes"`
}

type answer struct {
	NS    float64 `json:"ns"`
	Error string  `json:"error"`
}

func (s *session) remote(cmd *exec.Cmd) (*remote, error) {
	c, err := s.start(cmd)
	if err != nil {
		return nil, err
	}
	return &remote{c, bufio.NewReader(c.out)}, nil
}

// ask is a side: every sample is one request.
func (r *remote) ask(q request) stat.Side {
	return func(ctx context.Context) (float64, error) {
		defer context.AfterFunc(ctx, func() { r.in.Close(); r.out.Close() })()
		line, err := json.Marshal(q)
		if err != nil {
			return 0, err
		}
		if _, err = r.in.Write(append(line, '\n')); err != nil {
			return 0, err
		}
		if line, err = r.lines.ReadBytes('\n'); err != nil {
			return 0, fmt.Errorf("no answer to %s: %w", q.Op, errors.Join(err, context.Cause(ctx)))
		}
		var a answer
		if err = json.Unmarshal(line, &a); err != nil {
			return 0, fmt.Errorf("the answer to %s, %.80q: %w", q.Op, line, err)
		}
		if a.Error != "" {
			return 0, fmt.Errorf("%s: %s", q.Op, a.Error)
		}
		return a.NS, nil
	}
}
