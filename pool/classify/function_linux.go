package classify

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"golang.org/x/sys/unix"
)

// sampleFunc calls fn on a locked thread until the sample is long enough.
func sampleFunc(ctx context.Context, fn func(context.Context) error, o Options) (sample, error) {
	type outcome struct {
		s   sample
		err error
	}
	done := make(chan outcome, 1) // never blocks, though nobody may be listening any more
	go func() {
		// Only the way out below unlocks the thread: one on which fn panicked
		// or exited ends with its goroutine and is not used again.
		runtime.LockOSThread()
		out := outcome{err: errors.New("classify: the function called runtime.Goexit")}
		defer func() {
			if v := recover(); v != nil {
				out.err = panicked(v, debug.Stack())
			}
			done <- out
		}()
		out.s, out.err = timeCalls(ctx, fn, o)
		runtime.UnlockOSThread()
	}()
	select {
	case out := <-done:
		return out.s, out.err
	case <-ctx.Done():
		return sample{}, fmt.Errorf("classify: %w", ctx.Err())
	}
}

func panicked(v any, stack []byte) error {
	if err, ok := v.(error); ok {
		return fmt.Errorf("classify: the function panicked: %w\n%s", err, stack)
	}
	return fmt.Errorf("classify: the function panicked: %v\n%s", v, stack)
}

func timeCalls(ctx context.Context, fn func(context.Context) error, o Options) (s sample, err error) {
	var before, after sample // their usage is that until then
	before.readWaits()       // outside of what readCPU counts, the thread's own next to it
	before.own.wait = readCPUWait(threadSchedstat)
	if err := before.readCPU(); err != nil {
		return s, err
	}
	for begin := time.Now(); s.calls == 0 || s.wall < o.MinSample && (o.MaxCalls == 0 || s.calls < o.MaxCalls); {
		if err := fn(ctx); err != nil {
			return s, fmt.Errorf("classify: the function failed: %w", err)
		}
		if err := ctx.Err(); err != nil { // it may have been cut short
			return s, fmt.Errorf("classify: %w", err)
		}
		s.calls++
		s.wall = time.Since(begin)
	}
	err = after.readCPU()
	after.own.wait = readCPUWait(threadSchedstat)
	after.readWaits()
	s.own, s.all = after.own.minus(before.own), after.all.minus(before.all)
	s.own.wait = min(s.own.wait, max(s.wall-s.own.cpu, 0)) // or it was while the waits were read
	s.all.wait = max(s.all.wait, 0)                        // threads may have ended
	return s, err
}

// readCPU reads the clocks and counters of the calling thread and of the process.
func (s *sample) readCPU() error {
	for _, c := range []struct {
		who int
		to  *usage
	}{
		// In this order: RUSAGE_THREAD alone is as old as the last scheduler
		// tick (up to 10 ms), but RUSAGE_SELF brings the calling thread up to
		// date. Both sums then have the microsecond resolution of the fields.
		{unix.RUSAGE_SELF, &s.all},
		{unix.RUSAGE_THREAD, &s.own},
	} {
		var u unix.Rusage
		if err := unix.Getrusage(c.who, &u); err != nil {
			return fmt.Errorf("classify: %w", os.NewSyscallError("getrusage", err))
		}
		c.to.cpu = time.Duration(u.Utime.Nano() + u.Stime.Nano())
		c.to.counts = kernelCounts{u.Nvcsw, u.Nivcsw, u.Minflt, u.Majflt}
	}
	return nil
}

// readWaits reads how long all threads of the process were ready to run without a core.
func (s *sample) readWaits() {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, t := range threads {
		s.all.wait += readCPUWait("/proc/self/task/" + t.Name() + "/schedstat")
	}
}

const threadSchedstat = "/proc/thread-self/schedstat"

func readCPUWait(file string) time.Duration {
	times, _ := readSchedTimes(file)
	return times.wait
}
