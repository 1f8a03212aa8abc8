package pool

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm/ring"
)

// selfExe is the running program, also after its file was replaced or removed.
const selfExe = "/proc/self/exe"

// buildID tells two files apart that were the same program once.
func buildID() (id [16]byte, err error) {
	var st unix.Stat_t
	if err := unix.Stat(selfExe, &st); err != nil {
		return id, &os.PathError{Op: "stat", Path: selfExe, Err: err}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d %d %d", st.Dev, st.Ino, st.Size, st.Mtim.Sec, st.Mtim.Nsec))
	copy(id[:], sum[:])
	return id, nil
}

// launch starts an incarnation, with a lane of its own, and returns what its
// hello must say.
func (p *Pool) launch(slot int) (process, transport, *lane, wire.Hello, error) {
	want := wire.Hello{Version: wire.Version, Registry: p.table.hash}
	rand.Read(want.Nonce[:])
	fail := func(err error) (process, transport, *lane, wire.Hello, error) {
		return nil, nil, nil, want, mendLimits(err)
	}
	var err error
	if want.Build, err = buildID(); err != nil {
		return fail(err)
	}
	l, err := p.openLane()
	if err != nil {
		return fail(err)
	}
	if p.opts.Isolation == Goroutine {
		ours, theirs := localPair()
		local := &localProcess{link: ours, dead: make(chan struct{})}
		go func() {
			defer close(local.dead)
			local.err = p.serveLocal(local, theirs, l, want, slot)
		}()
		return local, ours, l, want, nil
	}
	link, theirs, err := socketPair()
	if err != nil {
		l.mem.end()
		return fail(err)
	}
	defer theirs.Close()
	files := []*os.File{theirs, l.mem.file(), p.ranges.control.file()} // in the order of the descriptors in main_linux.go
	c, err := p.starter.start(files, p.workerEnviron(slot, want), p.opts.coresOf(slot), p.hooks.output.of(slot))
	if err != nil {
		l.mem.end()
		link.Close()
		return fail(err)
	}
	go func() {
		<-c.dead
		link.EndReceive()
	}()
	c.pool = p
	if c.hasNumber() {
		c.group, err = p.bound(c.PID(), slot)
	}
	if err != nil {
		c.Kill()
		<-c.dead
		c.Release()
		l.mem.end()
		link.Close()
		return fail(err)
	}
	return c, link, l, want, nil
}

// mendLimits adds what the user can do where a limit of the process was hit.
func mendLimits(err error) error {
	switch {
	case errors.Is(err, unix.EMFILE):
		return fmt.Errorf("%w: use fewer workers or raise ulimit -n", err)
	case errors.Is(err, unix.EAGAIN):
		return fmt.Errorf("%w: use fewer workers or raise ulimit -u", err)
	}
	return err
}

func (p *Pool) workerEnviron(slot int, want wire.Hello) []string {
	start := wire.WorkerStart{
		Version: want.Version, Slot: slot, Nonce: want.Nonce, SegmentBytes: p.opts.Results.SegmentBytes,
		Wake: ring.WakeTime(), Spread: p.opts.Workers < usableCores(), Measure: p.hooks.measured(),
	}
	env := []string{wire.WorkerEnv + "=" + start.String()}
	for _, kv := range p.starter.env {
		key, _, _ := strings.Cut(kv, "=")
		switch key {
		case "GOMAXPROCS", "GOMEMLIMIT": // the supervisor's own
		case "PATH", "LD_LIBRARY_PATH", "HOME", "USER", "TZ", "TMPDIR", "LANG":
			env = append(env, kv)
		default:
			if strings.HasPrefix(key, "LC_") || strings.HasPrefix(key, "OMP_") || strings.HasPrefix(key, "GO") {
				env = append(env, kv)
			}
		}
	}
	env = append(env, p.opts.workerLimits()...)
	for _, kv := range p.opts.Env { // the last of a key counts
		if strings.Contains(kv, "=") {
			env = append(env, kv)
		} else if i := slices.IndexFunc(p.starter.env, func(has string) bool { return strings.HasPrefix(has, kv+"=") }); i >= 0 {
			env = append(env, p.starter.env[i])
		}
	}
	return env
}

// A starter starts children from one thread that lives as long as they do: the
// parent-death signal is sent when the *thread* that made the child ends
// (golang/go#27505). All begin where the program stood when the pool was made: a worker
// that is replaced finds what the others have found.
type starter struct {
	calls chan func()
	dir   *os.File // the working directory
	name  string   // os.Args[0]
	env   []string
}

func newStarter() (*starter, error) {
	s := &starter{calls: make(chan func()), name: "worker", env: os.Environ()}
	if len(os.Args) > 0 {
		s.name = os.Args[0]
	}
	dir, err := unix.Open(".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: ".", Err: err}
	}
	s.dir = os.NewFile(uintptr(dir), "working directory")
	go func() {
		runtime.LockOSThread() // and unlocked by nobody: the thread is the goroutine's
		for f := range s.calls {
			f()
		}
	}()
	return s, nil
}

// stop lets the thread end; its children must be dead.
func (s *starter) stop() {
	close(s.calls)
	s.dir.Close()
}

func (s *starter) start(files []*os.File, env []string, on cores, lines func([]byte)) (*child, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	handle := -1
	cmd := exec.Command(selfExe)
	cmd.Args[0] = s.name
	cmd.Dir = fmt.Sprintf("/proc/self/fd/%d", s.dir.Fd())
	cmd.Env = env
	cmd.Stdout, cmd.Stderr = w, w
	cmd.ExtraFiles = files // from descriptor 3 on
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid: true,
		// The worker sees the end of its socket and ends its whole group, which
		// SIGKILL would spare. Stopped it sees nothing: this wakes it.
		Pdeathsig: unix.SIGCONT,
		PidFD:     &handle,
	}
	done := make(chan error)
	s.calls <- func() { done <- on.run(cmd.Start) }
	if err := <-done; err != nil {
		r.Close()
		return nil, err
	}
	if handle < 0 {
		cmd.Process.Kill()
		cmd.Wait()
		r.Close()
		return nil, fmt.Errorf("pidfd: %w: Linux 5.10 or newer is needed", unix.ENOSYS)
	}
	c, err := newChild(cmd, handle)
	if err != nil {
		r.Close()
		return nil, err
	}
	c.tail.read(r, lines)
	go c.watch()
	return c, nil
}

// closeFD closes a descriptor that came with a message; −1 is none.
func closeFD(fd int) {
	if fd >= 0 {
		unix.Close(fd)
	}
}
