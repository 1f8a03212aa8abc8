package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"time"

	"example.com/handoff/bench/internal/cores"
	"example.com/handoff/bench/stat"
	"example.com/handoff/shm"
)

// rowChild is the copy of this program that measures one row. Each row has its
// own: it finds no memory and no garbage of the rows before, and runs on the
// cores that it is meant for from the start.
const rowChild = "row"

// rowTime bounds a row.
const rowTime = 5 * time.Minute

// A rowRequest is the JSON argument of the process that measures a row.
type rowRequest struct {
	Row     string `json:"row"`
	Samples int    `json:"samples"`
	Quick   bool   `json:"quick"`
	Other   int    `json:"other"` // the core for peers; -1: wherever
}

// A rowAnswer is the JSON that this process prints.
type rowAnswer struct {
	Pairs   stat.Pairs `json:"pairs"`             // of ours and theirs
	Skipped string     `json:"skipped,omitempty"` // why it could not be measured here
	Error   string     `json:"error,omitempty"`
}

// measureRow is the row's process. It ends early with a signal and with its
// standard input, which ends with its parent.
func measureRow() error {
	var o rowRequest
	if len(os.Args) != 2 {
		return fmt.Errorf("%d arguments, expected one", len(os.Args)-1)
	}
	if err := json.Unmarshal([]byte(os.Args[1]), &o); err != nil {
		return err
	}
	r, err := find(o.Row)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), endSignals...)
	defer stop()
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	return json.NewEncoder(os.Stdout).Encode(r.measure(ctx, o))
}

func (r row) measure(ctx context.Context, o rowRequest) (out rowAnswer) {
	s := newSession(o.Quick, o.Other)
	ours, theirs, err := r.setup(ctx, s)
	if err == nil {
		out.Pairs, err = stat.Alternate(ctx, o.Samples, ours, theirs)
	}
	err = errors.Join(err, s.close())
	if err != nil {
		out.Pairs = stat.Pairs{}
		if out.Skipped = skipped(err); out.Skipped == "" {
			out.Error = err.Error()
		}
	}
	return out
}

// inProcess measures a row in a process of its own.
func (r row) inProcess(ctx context.Context, n int, quick bool) rowAnswer {
	ctx, cancel := context.WithTimeoutCause(ctx, rowTime, fmt.Errorf("it took more than %v", rowTime))
	defer cancel()
	out, err := r.ordered(ctx, rowRequest{r.name, n, quick, -1})
	if err == nil {
		return out
	}
	if why := skipped(err); why != "" {
		return rowAnswer{Skipped: why}
	}
	// It may have been killed: its processes end with it, its segments do not.
	_, _ = shm.GC(context.WithoutCancel(ctx))
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return rowAnswer{Error: err.Error()}
}

func (r row) ordered(ctx context.Context, o rowRequest) (out rowAnswer, err error) {
	var usable []int
	if r.place != anywhere {
		if usable, err = cores.Usable(); err != nil {
			return out, err
		}
	}
	if r.place == twoCores {
		if len(usable) < 2 {
			return out, skip("there is one core")
		}
		o.Other = usable[1]
	}
	argument, err := json.Marshal(o)
	if err != nil {
		return out, err
	}
	exe, err := os.Executable()
	if err != nil {
		return out, err
	}
	cmd := exec.CommandContext(ctx, exe, string(argument))
	cmd.Env = append(os.Environ(), childVar+"="+rowChild)
	cmd.Cancel = func() error { return terminate(cmd.Process) }
	cmd.WaitDelay = 3 * exitTimeout
	ownGroup(cmd)
	if _, err := cmd.StdinPipe(); err != nil { // its end, when this process ends or waits
		return out, err
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	start := cmd.Start
	if r.place != anywhere {
		start = func() error { return cores.On(usable[0], cmd.Start) }
	}
	if err := start(); err != nil {
		return out, err
	}
	if err := cmd.Wait(); err != nil {
		return out, fmt.Errorf("its process: %w: %s", err, bytes.TrimSpace(stderr.Bytes()))
	}
	if err := json.Unmarshal(stdout.Bytes(), &out); err != nil {
		return out, fmt.Errorf("the answer of its process, %.80q: %w", stdout.Bytes(), err)
	}
	if out.Error != "" && stderr.Len() > 0 {
		out.Error += ": " + string(bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
