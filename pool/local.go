package pool

import "os"

// A localProcess is a worker made of goroutines of this process.
type localProcess struct {
	link transport
	dead chan struct{}
	err  error
	end  func() // ends its results: their segments are the supervisor's, who has last words to take
}

func (l *localProcess) PID() int              { return os.Getpid() }
func (l *localProcess) Terminate()            {}
func (l *localProcess) Kill()                 { l.link.Close() }
func (l *localProcess) Dead() <-chan struct{} { return l.dead }

func (l *localProcess) Release() {
	if l.end != nil {
		l.end()
	}
}

func (l *localProcess) Exit() exitState {
	if l.err != nil {
		return exitState{code: 1, output: l.err.Error()}
	}
	return exitState{}
}
