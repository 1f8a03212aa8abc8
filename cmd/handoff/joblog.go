package main

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"

	"example.com/handoff/pool"
)

// A joblog is a file with a line for each attempt of each task, tab-separated, under
// a header:
//
//	task	func	attempt	worker	pid	start	wall	cpu	peak	class
//
// start is seconds since 1970, wall and cpu are seconds, peak is the worker's private
// memory in bytes, class is "ok" or how the attempt failed.
type joblog struct {
	f   *os.File
	w   *csv.Writer
	err error
}

// openJoblog appends to a log that is there.
func openJoblog(name string) (*joblog, error) {
	if info, err := os.Stat(name); err == nil && info.Mode()&fs.ModeNamedPipe != 0 {
		return nil, fmt.Errorf("--joblog: %s is a pipe, expected a regular file", name)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("--joblog: %w", err)
	}
	l := &joblog{f: f, w: csv.NewWriter(f)}
	l.w.Comma = '\t'
	if info, err := f.Stat(); err == nil && info.Size() == 0 {
		l.line("task", "func", "attempt", "worker", "pid", "start", "wall", "cpu", "peak", "class")
	}
	return l, nil
}

func (l *joblog) line(fields ...string) {
	l.w.Write(fields)
	if l.w.Flush(); l.err == nil {
		l.err = l.w.Error()
	}
}

// write is called by one goroutine at a time.
func (l *joblog) write(a pool.Attempt) {
	class := cmp.Or(a.Kind, string(a.Exit), "ok")
	seconds := func(s float64) string { return strconv.FormatFloat(s, 'f', 6, 64) }
	l.line(strconv.FormatUint(a.TaskNumber, 10), a.Func, strconv.Itoa(a.Attempt), strconv.Itoa(a.Worker), strconv.Itoa(a.PID),
		seconds(float64(a.Start.UnixMicro())/1e6), seconds(a.Wall.Seconds()), seconds(a.CPU.Seconds()), strconv.FormatInt(a.PeakPrivate, 10), class)
}

func (l *joblog) close() error {
	if err := errors.Join(l.err, l.f.Close()); err != nil {
		return fmt.Errorf("--joblog: %w", err)
	}
	return nil
}
