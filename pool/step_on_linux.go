//go:build handoff_fault

package pool

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Built with the tag handoff_fault, a worker ends itself at a step of its life,
// for the tests. Its environment says which (Options.Env):
//
//	HANDOFF_FAULT=result-put:3        by SIGKILL, when it comes there for the third time
//	HANDOFF_FAULT=result-put:3:stop   by SIGSTOP: it can go on
//	HANDOFF_FAULT_MARK=FILE           only the one process that makes FILE, with its pid in it
//
// The steps are the calls of step, by name.
const (
	faultEnv     = "HANDOFF_FAULT"
	faultMarkEnv = "HANDOFF_FAULT_MARK"
)

// A faultPlan is what HANDOFF_FAULT says; its step is "" without one.
type faultPlan struct {
	step   string
	at     int64
	signal unix.Signal
	mark   string
}

var (
	faultPlanned = sync.OnceValue(readFaultPlan)
	faultReached atomic.Int64
)

func readFaultPlan() (f faultPlan) {
	v := os.Getenv(faultEnv)
	if v == "" {
		return f
	}
	part := strings.Split(v, ":")
	f.signal, f.mark = unix.SIGKILL, os.Getenv(faultMarkEnv)
	if len(part) == 3 && part[2] == "stop" {
		f.signal, part = unix.SIGSTOP, part[:2]
	}
	if len(part) == 2 {
		f.step = part[0]
		f.at, _ = strconv.ParseInt(part[1], 10, 64)
	}
	if f.step == "" || f.at < 1 {
		fmt.Fprintf(os.Stderr, "%s=%q: expected STEP:N or STEP:N:stop, N from 1\n", faultEnv, v)
		os.Exit(2)
	}
	return f
}

// step is where the process may end. The signal is this thread's own, so that it
// has come before step returns.
func step(name string) {
	f := faultPlanned()
	if f.step != name || faultReached.Add(1) != f.at {
		return
	}
	if f.mark != "" {
		mark, err := os.OpenFile(f.mark, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return // another process was first
		}
		fmt.Fprintln(mark, os.Getpid())
		mark.Close()
	}
	unix.Tgkill(os.Getpid(), unix.Gettid(), f.signal)
}
