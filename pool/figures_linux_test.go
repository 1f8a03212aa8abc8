package pool

import (
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm"
)

// burnOut computes until its worker has used so much more CPU time, and then kills it the
// first time.
var burnOut = Func("test.burnOut", func(t *Task, d time.Duration) (int, error) {
	used := func() time.Duration {
		var u unix.Rusage
		unix.Getrusage(unix.RUSAGE_SELF, &u)
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	for end := used() + d; used() < end; {
	}
	if t.Attempt() == 1 {
		unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	}
	return 1, nil
})

// An index that is left out is counted when it is, whatever becomes of the range.
func TestQuarantinedOfFailedRange(t *testing.T) {
	var told atomic.Int64
	p := newPool(t, &Options{Workers: 2, OnEvent: func(e Event) {
		if e.Kind == EventQuarantine {
			told.Add(1)
		}
	}})
	out, err := shm.Make[int32](p.Outputs(), 1000)
	require.NoError(t, err)
	defer out.Release()
	err = treadRange.ForRange(background(), p, poisonIn{[3]int{10, 500, 900}, out}, 1000, &RangeOptions{Quarantine: 2})
	require.ErrorContains(t, err, "are left out already")
	require.EqualValues(t, 2, p.Stats().Quarantined)

	eventually(t, func() bool { return told.Load() == 2 }, "not told of")
}
