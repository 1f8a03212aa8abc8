package proc

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// descriptors is how many this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	r, w, err := os.Pipe() // opens the runtime's own poller, which is no leak
	require.NoError(t, err)
	r.Close()
	w.Close()
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	return len(fds)
}

// A message with a descriptor waits for a slow reader like others, in order,
// though the sender closes the descriptor meanwhile.
func TestDescriptorsWait(t *testing.T) {
	before := descriptors(t)
	for _, read := range []bool{true, false} {
		ours, file, err := socketPair()
		require.NoError(t, err)
		fd, err := unix.Dup(int(file.Fd()))
		require.NoError(t, err)
		require.NoError(t, file.Close())
		require.NoError(t, unix.SetNonblock(fd, true))
		theirs, err := newSocket(fd)
		require.NoError(t, err)

		filler := make([]byte, 4000)
		sent := 0
		for waits := 0; waits < 10; {
			require.NoError(t, ours.Send(filler, -1))
			sent++
			ours.mu.Lock()
			waits = len(ours.backlog)
			ours.mu.Unlock()
		}
		for i := range byte(5) {
			r, w, err := os.Pipe()
			require.NoError(t, err)
			_, err = w.Write([]byte{i})
			require.NoError(t, err)
			w.Close()
			require.NoError(t, ours.Send([]byte{99, i}, int(r.Fd())))
			r.Close()
		}
		buf := make([]byte, len(filler))
		for i := 0; read && i < sent+5; i++ {
			n, fd, err := theirs.Receive(buf)
			require.NoError(t, err)
			if i < sent {
				require.Equal(t, len(filler), n)
				require.Equal(t, -1, fd)
				continue
			}
			f := os.NewFile(uintptr(fd), "pipe")
			got := make([]byte, 1)
			_, err = f.Read(got)
			require.NoError(t, err)
			require.Equal(t, buf[1], got[0])
			require.Equal(t, i-sent, int(got[0]))
			f.Close()
		}
		theirs.Close()
		ours.Close()
		require.Eventually(t, func() bool { return descriptors(t) <= before }, watchdog, tick, "descriptors are left")
	}
}
