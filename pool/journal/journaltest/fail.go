package journaltest

import (
	"os"
	"slices"

	"example.com/handoff/pool/journal"
)

// FailAt returns a file system over another one whose n-th operation, counted from 1,
// fails with err; with kinds, the n-th of these kinds, as in Op. It is not done, but
// that a write writes half of its bytes. With n = 0 nothing fails.
func FailAt(under journal.FS, n int, err error, kinds ...string) *Tap {
	return fail(under, func(i int) bool { return i == n }, err, kinds)
}

// FailFrom is FailAt for the n-th operation and all after it: a full disk stays full.
// With n = 0 everything fails.
func FailFrom(under journal.FS, n int, err error, kinds ...string) *Tap {
	return fail(under, func(i int) bool { return i >= n }, err, kinds)
}

func fail(under journal.FS, when func(int) bool, err error, kinds []string) *Tap {
	t := &Tap{under: under}
	count := 0
	t.at = func(_ int, op Op, half func() (int, error)) (int, error) {
		if len(kinds) > 0 && !slices.Contains(kinds, op.Kind) {
			return 0, nil
		}
		t.mu.Lock()
		count++
		hit := when(count)
		t.mu.Unlock()
		if !hit {
			return 0, nil
		}
		done := 0
		if op.Kind == "write" {
			done, _ = half()
		}
		return done, err
	}
	return t
}

// KillAt returns the file system of the machine; its n-th operation, counted from 1,
// kills this process with SIGKILL before it is done. With half a write is done by half
// before, and another operation is done. With n = 0 nothing is killed.
func KillAt(n int, half bool) *Tap {
	t := &Tap{under: journal.OS()}
	t.at = func(i int, _ Op, some func() (int, error)) (int, error) {
		if i != n {
			return 0, nil
		}
		if half {
			_, _ = some()
		}
		self, err := os.FindProcess(os.Getpid())
		if err == nil {
			err = self.Kill()
		}
		if err != nil {
			return 0, err
		}
		select {} // until the signal arrives
	}
	return t
}
