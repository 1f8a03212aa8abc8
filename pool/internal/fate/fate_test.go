package fate

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
)

const (
	panicked = "panic: boom\n\ngoroutine 1 [running]:\n"
	noMemory = "fatal error: runtime: out of memory\n\ngoroutine 1:\n"
	byWorker = "starting\n" + wire.StderrPrefix + "its lane was written over\nlast\n"
)

var (
	exit0, exit1, exit2 = proc.Exit{}, proc.Exit{Code: 1}, proc.Exit{Code: 2}

	killed   = proc.Exit{Code: -1, Signal: "killed"}
	aborted  = proc.Exit{Code: -1, Signal: "aborted"}
	segfault = proc.Exit{Code: -1, Signal: "segmentation fault"}
	unknown  = proc.Exit{Code: -1, Unknown: "somebody else has reaped it"}
	alive    = proc.Exit{Code: -1, Unknown: "it is held by a debugger", Alive: true}
)

// The table of deaths: what is known, and the class and evidence that it makes.
func TestOf(t *testing.T) {
	const oomEvidence = "the kernel counts an OOM kill in its memory cgroup"
	for name, c := range map[string]struct {
		k    Known
		want Fate
	}{
		"os.Exit(0)":                {Known{Exit: exit0, Greeted: true}, Fate{Class: Status}},
		"os.Exit(1)":                {Known{Exit: exit1, Greeted: true, Output: "so long\n"}, Fate{Class: Status}},
		"os.Exit(2), no reason":     {Known{Exit: exit2, Greeted: true, Output: "usage: x\n"}, Fate{Class: Status}},
		"a panic":                   {Known{Exit: exit2, Greeted: true, Output: panicked}, Fate{Class: Fatal, Evidence: `exit status 2, and Go says why: "panic: boom"`}},
		"a panic, aborted":          {Known{Exit: aborted, Greeted: true, Output: panicked}, Fate{Class: Fatal, Evidence: `signal aborted, and Go says why: "panic: boom"`}},
		"a panic, status unknown":   {Known{Exit: unknown, Greeted: true, Output: panicked}, Fate{Class: Fatal, Evidence: `exit status unknown, and Go says why: "panic: boom"`}},
		"printed panic, status 1":   {Known{Exit: exit1, Greeted: true, Output: panicked}, Fate{Class: Status}},
		"killed by nobody here":     {Known{Exit: killed, Greeted: true}, Fate{Class: Signal}},
		"killed after a log line":   {Known{Exit: killed, Greeted: true, Output: panicked}, Fate{Class: Signal}},
		"a segmentation fault":      {Known{Exit: segfault, Greeted: true}, Fate{Class: Signal}},
		"aborted, not by Go":        {Known{Exit: aborted, Greeted: true, Output: "assertion failed\n"}, Fate{Class: Signal}},
		"nobody knows":              {Known{Exit: unknown, Greeted: true}, Fate{Class: Unknown, Evidence: unknown.Unknown}},
		"held by a debugger":        {Known{Exit: alive, Greeted: true, Reason: "killed for it"}, Fate{Class: Unknown, Evidence: alive.Unknown, Reason: "killed for it"}},
		"the kernel, for memory":    {Known{Exit: killed, Greeted: true, OOMKilled: true}, Fate{Class: OOM, Evidence: oomEvidence}},
		"the same before hello":     {Known{Exit: killed, OOMKilled: true}, Fate{Class: OOM, Evidence: oomEvidence}},
		"the same, status unknown":  {Known{Exit: unknown, Greeted: true, OOMKilled: true}, Fate{Class: OOM, Evidence: oomEvidence}},
		"a child of it, for memory": {Known{Exit: exit1, Greeted: true, OOMKilled: true}, Fate{Class: Status}},
		"OOM while the pool killed": {Known{Exit: killed, Greeted: true, OOMKilled: true, KilledFor: Deadline, Reason: "too long"}, Fate{Class: Deadline, Reason: "too long"}},
		"Go found no memory":        {Known{Exit: exit2, Greeted: true, Output: noMemory}, Fate{Class: OOM, Evidence: `Go found no memory: "fatal error: runtime: out of memory"`}},
		"it, under a deadline":      {Known{Exit: exit2, Greeted: true, Output: noMemory, KilledFor: Deadline}, Fate{Class: OOM, Evidence: `Go found no memory: "fatal error: runtime: out of memory"`}},
		"it is only printed":        {Known{Exit: exit1, Greeted: true, Output: noMemory}, Fate{Class: Status}},
		"it is no fatal error":      {Known{Exit: exit2, Greeted: true, Output: "panic: out of memory\n"}, Fate{Class: Fatal, Evidence: `exit status 2, and Go says why: "panic: out of memory"`}},
		"deadline":                  {Known{Exit: killed, Greeted: true, KilledFor: Deadline, Reason: "too long"}, Fate{Class: Deadline, Reason: "too long"}},
		"cancel":                    {Known{Exit: killed, Greeted: true, KilledFor: Cancel, Reason: "deaf"}, Fate{Class: Cancel, Reason: "deaf"}},
		"stopped":                   {Known{Exit: killed, Greeted: true, KilledFor: Stopped, Reason: "stopped"}, Fate{Class: Stopped, Reason: "stopped"}},
		"killed for the protocol":   {Known{Exit: killed, Greeted: true, Reason: "a malformed result"}, Fate{Class: Protocol, Reason: "a malformed result"}},
		"the worker gave up":        {Known{Exit: exit1, Greeted: true, Output: byWorker}, Fate{Class: Protocol, Reason: "its lane was written over"}},
		"the same, and the pool":    {Known{Exit: exit1, Greeted: true, Output: byWorker, Reason: "it closed its socket"}, Fate{Class: Protocol, Reason: "its lane was written over"}},
		"printed, not of status 1":  {Known{Exit: exit0, Greeted: true, Output: byWorker}, Fate{Class: Status}},
		"never started":             {Known{Exit: exit0, Reason: "too many open files"}, Fate{Class: Start, Reason: "too many open files"}},
		"no hello, and said why":    {Known{Exit: exit0, Output: byWorker, Reason: "it ended"}, Fate{Class: Start, Reason: "its lane was written over"}},
		"no hello, a panic":         {Known{Exit: exit2, Output: panicked, Reason: "it ended"}, Fate{Class: Start, Reason: "it ended"}},
		"no hello, killed for it":   {Known{Exit: killed, Reason: "start timeout", KilledFor: Deadline}, Fate{Class: Start, Reason: "start timeout"}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, Of(c.k)) })
	}
}

func TestOrderly(t *testing.T) {
	for _, c := range []struct {
		exit proc.Exit
		want bool
	}{{exit0, true}, {exit1, false}, {killed, false}, {unknown, true}, {alive, false}} {
		require.Equal(t, c.want, Orderly(c.exit), "%+v", c.exit)
	}
}

func TestKills(t *testing.T) {
	var k Kills
	at := time.Unix(1e9, 0)
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{0, false}, {time.Second, true}, {suspectWindow - 1, true}, {suspectWindow, false}, {suspectWindow / 2, true}} {
		at = at.Add(c.after)
		evidence, suspected := k.Add(at)
		require.Equal(t, c.want, suspected, c.after)
		require.Equal(t, c.want, evidence != "")
	}
}

func TestKeyLine(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		" \n\n":                         "",
		"one\ntwo\n\n":                  `"two"`,
		"one\n" + panicked + "exit\n":   `"panic: boom"`,
		"\x1b[31mred\n":                 `"\x1b[31mred"`,
		strings.Repeat("x", 1000):       `"` + strings.Repeat("x", 300) + `"`,
		"SIGSEGV: segmentation\nPC=1\n": `"SIGSEGV: segmentation"`,
	} {
		require.Equal(t, want, KeyLine(text), "%.20q", text)
	}
}

// Whatever a worker has written, there is a class, and it is one of them. The name of a
// signal is the kernel's, not the worker's: it is one of a few.
func FuzzOf(f *testing.F) {
	signals := []string{"", "killed", "aborted", "segmentation fault"}
	f.Add(panicked, 2, uint8(0), true, false)
	f.Add(noMemory, -1, uint8(1), true, true)
	f.Add(panicked, -1, uint8(2), true, false)
	f.Add(byWorker, 1, uint8(0), false, false)
	classes := map[Class]bool{Status: true, Fatal: true, Signal: true, OOM: true, Start: true, Protocol: true}
	f.Fuzz(func(t *testing.T, output string, code int, signal uint8, greeted, oom bool) {
		exit := proc.Exit{Code: code, Signal: signals[int(signal)%len(signals)]}
		got := Of(Known{Exit: exit, Output: output, Greeted: greeted, OOMKilled: oom})
		require.True(t, classes[got.Class], got.Class)
		require.NotContains(t, got.Evidence, "\n")
	})
}
