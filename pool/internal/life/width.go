package life

import "time"

// ClimbAfter is for how long no worker may die for want of memory until one more runs.
// tryAgain such periods at the ceiling, and the ceiling itself is tried again.
const (
	ClimbAfter = 10 * time.Second
	tryAgain   = 12
)

// A Width is how many workers run at once. Memory is short where a worker is killed for
// it. Then half as many run, and, as long as it does not happen again, one more after
// each ClimbAfter, up to one less than were running when it happened last: the ceiling.
type Width struct {
	target  int // workers that are asked for
	now     int
	ceiling int // the most that memory seems to allow; 0: nobody knows
	quiet   int // periods since the last death for want of memory
}

// NewWidth is n workers.
func NewWidth(n int) Width { return Width{target: n, now: n} }

// Now is how many run, Target how many are asked for, and Ceiling the most that memory
// seems to allow, 0 where nobody knows.
func (w *Width) Now() int     { return w.now }
func (w *Width) Target() int  { return w.target }
func (w *Width) Ceiling() int { return w.ceiling }

// Resize asks for n. It reports whether the width has changed.
func (w *Width) Resize(n int) (changed bool) {
	changed = n != w.now
	w.target, w.now, w.ceiling = n, n, 0
	return changed
}

// MemoryDeath is a death for want of memory. It reports whether the width has changed.
func (w *Width) MemoryDeath() (changed bool) {
	w.quiet = 0
	if w.now <= 1 {
		return false
	}
	w.ceiling = w.now - 1
	w.now /= 2
	return true
}

// Quiet is a ClimbAfter without such a death. It reports whether the width has changed,
// and whether to wait for another.
func (w *Width) Quiet() (changed, again bool) {
	if w.now >= w.target {
		return false, false
	}
	w.quiet++
	if w.now >= w.ceiling {
		if w.quiet < tryAgain {
			return false, true
		}
		w.quiet, w.ceiling = 0, w.now+1
	}
	w.now++
	return true, true
}
