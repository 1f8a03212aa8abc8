package main

import (
	"context"
	_ "embed"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"example.com/handoff/bench/stat"
)

// pythonPeer measures inside Python.
//
//go:embed python.py
var pythonPeer string

// python is a side: what a process pool of Python takes for q.
func (s *session) python(ctx context.Context, q request) (stat.Side, error) {
	exe, err := findPython(ctx)
	if err != nil {
		return nil, err
	}
	r, err := s.remote(exec.Command(exe, "-c", pythonPeer))
	if err != nil {
		return nil, err
	}
	return r.ask(q), nil
}

// findPython looks for a Python with NumPy: the first in PATH, or the system's.
func findPython(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var said []string
	for _, exe := range []string{"python3", "/usr/bin/python3"} {
		out, err := exec.CommandContext(ctx, exe, "-c", "import numpy, multiprocessing.shared_memory").CombinedOutput()
		if err == nil {
			return exe, nil
		}
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		said = append(said, fmt.Sprintf("%s: %v %s", exe, err, lines[len(lines)-1]))
	}
	return "", skip("no python3 with NumPy: " + strings.Join(said, "; "))
}
