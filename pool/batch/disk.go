package batch

import "runtime"

// A disk does everything with the journal and the output, on one thread: what the
// files go through is one sequence of system calls.
type disk struct {
	calls chan func()
}

func newDisk() *disk {
	d := &disk{make(chan func())}
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for f := range d.calls {
			f()
		}
	}()
	return d
}

// do returns when f has.
func (d *disk) do(f func()) {
	done := make(chan struct{})
	d.calls <- func() {
		defer close(done)
		f()
	}
	<-done
}

func (d *disk) try(f func() error) (err error) {
	d.do(func() { err = f() })
	return err
}

func (d *disk) close() { close(d.calls) }
