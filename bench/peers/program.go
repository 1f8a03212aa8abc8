package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"example.com/handoff/bench/stat"
)

// program is a side: the tiny task through a library, measured inside the program
// in a folder of that name, which is built here and now. In this one, what the
// library links and initializes would make every worker larger and slower to
// start.
func (s *session) program(ctx context.Context, name string) (stat.Side, error) {
	dir, err := s.tempDir()
	if err != nil {
		return nil, err
	}
	_, file, _, _ := runtime.Caller(0)
	source := filepath.Join(filepath.Dir(file), name)
	if _, err := os.Stat(source); err != nil {
		return nil, skip("the source of its peer is not here: " + err.Error())
	}
	exe := filepath.Join(dir, name)
	build := exec.CommandContext(ctx, "go", "build", "-o", exe, ".")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, skip(strings.TrimSpace(fmt.Sprintf("go build: %v\n%s", err, out)))
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir) // of its sockets
	r, err := s.remote(cmd)
	if err != nil {
		return nil, err
	}
	return r.ask(request{Op: "tiny", Trips: s.few(200, 20)}), nil
}
