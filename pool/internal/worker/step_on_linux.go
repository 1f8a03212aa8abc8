//go:build handoff_fault

package worker

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/shm/ring"
)

// Built with the tag handoff_fault, a worker comes to harm at a step of its life,
// for the tests. Its environment says which (Options.Env):
//
//	HANDOFF_FAULT=result-put:3        by SIGKILL, when it comes there for the third time
//	HANDOFF_FAULT=result-put:3:stop   by SIGSTOP: it can go on
//	HANDOFF_FAULT=result-put:3:KIND   by another of Harms
//	HANDOFF_FAULT_MARK=FILE           only the one process that makes FILE, with its pid in it
//	HANDOFF_FAULT_AFTER=FILE          not while there is no FILE: until then nothing is counted
//
// The steps are the calls of step, by name, those of package ring too.
const (
	FaultEnv      = "HANDOFF_FAULT"
	FaultMarkEnv  = "HANDOFF_FAULT_MARK"
	FaultAfterEnv = "HANDOFF_FAULT_AFTER"
)

// A faultPlan is what HANDOFF_FAULT says; its step is "" without one.
type faultPlan struct {
	step        string
	at          int64
	harm        func()
	mark, after string
}

var (
	faultPlanned = sync.OnceValue(readFaultPlan)
	faultReached atomic.Int64
)

func init() { ring.Step = step }

// Step is step, for the tests of the packages outside.
var Step = step

// Harms are what a step can do to its process, or to its goroutine. A signal is
// this thread's own, so that it has come before the step goes on.
var Harms = map[string]func(){
	"kill": func() { signalSelf(unix.SIGKILL) },
	"stop": func() { signalSelf(unix.SIGSTOP) },
	"segv": func() { signalSelf(unix.SIGSEGV) },
	"wild": storeElsewhere,
	"wild-goroutine": func() {
		go func() {
			var p *[2]byte
			p[1] = 1 // at address 1
		}()
		select {}
	},
	"exit0":           func() { os.Exit(0) },
	"exit1":           func() { os.Exit(1) },
	"panic":           func() { panic("of a step") },
	"panic-goroutine": func() { go panic("of a step"); select {} },
	"goexit":          runtime.Goexit,
	"overflow": func() {
		debug.SetMaxStack(1 << 20)
		overflow(0)
	},
	"block": func() { select {} }, // the process lives on
	"garbage": func() {
		unix.Write(proc.SocketFD, []byte("nonsense"))
		select {}
	},
}

func signalSelf(s unix.Signal) { unix.Tgkill(os.Getpid(), unix.Gettid(), s) }

// storeElsewhere stores to a page to which nobody may. At an address near 0 it
// would be a nil pointer to Go, which is a panic like any other.
func storeElsewhere() {
	mem, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		panic(err)
	}
	mem[100] = 1
}

func overflow(n int) int {
	if n < 0 {
		return 0
	}
	return overflow(n+1) + 1
}

func readFaultPlan() (f faultPlan) {
	v := os.Getenv(FaultEnv)
	if v == "" {
		return f
	}
	part := append(strings.Split(v, ":"), "kill")
	f.mark, f.after = os.Getenv(FaultMarkEnv), os.Getenv(FaultAfterEnv)
	if len(part) == 3 || len(part) == 4 {
		f.step, f.harm = part[0], Harms[part[2]]
		f.at, _ = strconv.ParseInt(part[1], 10, 64)
	}
	if f.step == "" || f.at < 1 || f.harm == nil {
		var kinds []string
		for kind := range Harms {
			kinds = append(kinds, kind)
		}
		slices.Sort(kinds)
		fmt.Fprintf(os.Stderr, "%s=%q: expected STEP:N or STEP:N:stop, or another kind of %s, N from 1\n", FaultEnv, v, strings.Join(kinds, ", "))
		os.Exit(2)
	}
	return f
}

// step is where the process may come to harm.
func step(name string) {
	f := faultPlanned()
	if f.step != name {
		return
	}
	if f.after != "" {
		if _, err := os.Stat(f.after); errors.Is(err, fs.ErrNotExist) {
			return
		}
	}
	if faultReached.Add(1) != f.at {
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
	f.harm()
}
