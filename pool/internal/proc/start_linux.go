package proc

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// selfExe is the running program, also after its file was replaced or removed.
const selfExe = "/proc/self/exe"

// BuildID tells two files apart that were the same program once.
func BuildID() (id [16]byte, err error) {
	var st unix.Stat_t
	if err := unix.Stat(selfExe, &st); err != nil {
		return id, &os.PathError{Op: "stat", Path: selfExe, Err: err}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %d %d %d", st.Dev, st.Ino, st.Size, st.Mtim.Sec, st.Mtim.Nsec))
	copy(id[:], sum[:])
	return id, nil
}

// SocketFD is the child's end of the socket. Config.Files follow it.
const SocketFD = 3

// A Starter starts children from one thread that lives as long as they do: the
// parent-death signal is sent when the *thread* that made the child ends
// (golang/go#27505). All begin where the program stood when the starter was made: a
// worker that is replaced finds what the others have found. Its methods may be called
// from several goroutines, but for Stop.
type Starter struct {
	calls chan func()
	dir   *os.File // the working directory
	name  string   // os.Args[0]
	env   []string
	oom   *oomCounter
}

// NewStarter also removes the memory cgroups that dead runs have left.
func NewStarter() (*Starter, error) {
	s := &Starter{calls: make(chan func()), name: "worker", env: os.Environ()}
	if len(os.Args) > 0 {
		s.name = os.Args[0]
	}
	dir, err := unix.Open(".", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: ".", Err: err}
	}
	s.dir = os.NewFile(uintptr(dir), "working directory")
	s.oom = newOOMCounter()
	go func() {
		runtime.LockOSThread() // and unlocked by nobody: the thread is the goroutine's
		for f := range s.calls {
			f()
		}
	}()
	return s, nil
}

// Stop lets the thread end; its children must be dead.
func (s *Starter) Stop() {
	close(s.calls)
	s.dir.Close()
}

// Start starts this program again as a child and returns it with this end of its socket,
// which the caller closes. Its death ends what Receive waits for.
func (s *Starter) Start(cfg Config) (*Child, Link, error) {
	link, theirs, err := socketPair()
	if err != nil {
		return nil, nil, err
	}
	defer theirs.Close()
	cfg.Files = append([]*os.File{theirs}, cfg.Files...)
	c, err := s.start(&cfg)
	if err != nil {
		link.Close()
		return nil, nil, err
	}
	if c.hasNumber() {
		err = c.limitMemory(&cfg)
	}
	if err != nil {
		c.Kill()
		<-c.dead
		c.Release()
		link.Close()
		return nil, nil, err
	}
	go func() {
		<-c.dead
		link.EndReceive()
	}()
	return c, link, nil
}

func (s *Starter) start(cfg *Config) (*Child, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	handle := -1
	cmd := exec.Command(selfExe)
	cmd.Args[0] = s.name
	cmd.Dir = fmt.Sprintf("/proc/self/fd/%d", s.dir.Fd())
	cmd.Env = environ(s.env, cfg.Set, cfg.Env)
	cmd.Stdout, cmd.Stderr = w, w
	cmd.ExtraFiles = cfg.Files // from descriptor 3 on
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Setpgid: true,
		// The worker sees the end of its socket and ends its whole group, which
		// SIGKILL would spare. Stopped it sees nothing: this wakes it.
		Pdeathsig: unix.SIGCONT,
		PidFD:     &handle,
	}
	done := make(chan error)
	s.calls <- func() { done <- cfg.Cores.Run(cmd.Start) }
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
	c := &Child{
		cmd: cmd, dead: make(chan struct{}), outputDone: make(chan struct{}), reaped: make(chan struct{}),
		oom: s.oom, killTime: cmp.Or(cfg.KillTime, killTime),
	}
	if err := c.open(handle); err != nil {
		r.Close()
		return nil, err
	}
	c.tail.read(r, cfg.Output)
	go c.watch()
	return c, nil
}
