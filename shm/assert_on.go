//go:build handoff_assert || race

package shm

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"weak"
)

// The assertion build trades speed and memory for two answers:
//
//   - Which array was never released? Nothing but its Views, Arrays and Pins keep
//     a hold alive here, so when the garbage collector finds one that was not
//     ended, the array is lost; the stack that made it is printed. Its memory
//     stays where it is: a slice of it may still be about.
//   - Who uses an array after its release? The whole pages of a free block cannot
//     be touched: such a use is a fault at its own line. All of it is filled with
//     0xDB, so what reads the rest of it gets nonsense, and what wrote there makes
//     the next Make of the block panic. A block is given out again as late as
//     possible.
const assertions = true

// A holdRef is how an arena knows the hold of a block in use, without keeping it
// from the garbage collector unless it is no loss.
type holdRef struct {
	h     weak.Pointer[hold]
	kept  *hold
	bytes int64
}

func refTo(h *hold, keep bool) holdRef {
	r := holdRef{h: weak.Make(h), bytes: h.block.size}
	if keep {
		r.kept = h
	}
	return r
}

func (r holdRef) get() *hold { return r.h.Value() }

// size is kept here because the hold may be lost.
func (r holdRef) size() int64 { return r.bytes }

// A leakWatch reports a hold that is lost. It is part of the hold.
type leakWatch struct{ cleanup runtime.Cleanup }

type lost struct {
	seg   *Segment
	stack [32]uintptr
	depth int
}

func (w *leakWatch) begin(h *hold) {
	l := &lost{seg: h.seg}
	l.depth = runtime.Callers(3, l.stack[:])
	w.cleanup = runtime.AddCleanup(h, (*lost).report, l)
}

func (w *leakWatch) end() { w.cleanup.Stop() }

// reportLeak is a variable so that a test can read the reports.
var reportLeak = func(text string) { fmt.Fprint(os.Stderr, text) }

func (l *lost) report() {
	l.seg.mu.Lock()
	closed := l.seg.closed
	l.seg.mu.Unlock()
	if closed { // the program has given up all of it
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "shm: an array, view or pin in segment %q was never released; it was made at:\n", l.seg.name)
	for frames := runtime.CallersFrames(l.stack[:l.depth]); ; {
		f, more := frames.Next()
		fmt.Fprintf(&b, "\t%s\n\t\t%s:%d\n", f.Function, f.File, f.Line)
		if !more {
			break
		}
	}
	reportLeak(b.String())
}

const poisonByte = 0xDB

// poison makes the memory of a block that was freed useless.
func poison(e extent) {
	e.slab.seg.guarded(func() error { // another process may have truncated the file
		mem := e.slab.seg.mem[e.off : e.off+e.size]
		mem[0] = poisonByte
		for n := 1; n < len(mem); n *= 2 {
			copy(mem[n:], mem[:n])
		}
		return nil
	})
	lo, hi := roundUp(e.off, pageBytes), (e.off+e.size)/pageBytes*pageBytes
	if lo < hi {
		protectMemory(e.slab.seg.mem[lo:hi], false)
	}
}

// heal makes a block usable whose first dirty bytes were given out before.
func heal(e extent, dirty int64) {
	seg := e.slab.seg
	protectMemory(seg.mem[e.off/pageBytes*pageBytes:min(roundUp(e.off+e.size, pageBytes), seg.Size())], true)
	mem := seg.mem[e.off : e.off+dirty]
	written := false
	seg.guarded(func() error {
		written = bytes.Count(mem, []byte{poisonByte}) != len(mem)
		return nil
	})
	if written {
		panic(fmt.Sprintf("shm: segment %q: something in bytes %d to %d was written after its array was released", seg.name, e.off, e.off+dirty))
	}
}
