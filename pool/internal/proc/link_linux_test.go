package proc

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Both kinds of link keep messages in order, deliver what was sent before the end, and
// bound what waits.
func TestLinks(t *testing.T) {
	for name, pair := range map[string]func() (Link, Link){
		"local": LocalPair,
		"socket": func() (Link, Link) {
			ours, file, err := socketPair()
			require.NoError(t, err)
			fd, err := unix.Dup(int(file.Fd()))
			require.NoError(t, err)
			require.NoError(t, file.Close())
			require.NoError(t, unix.SetNonblock(fd, true))
			theirs, err := newSocket(fd)
			require.NoError(t, err)
			return ours, theirs
		},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := pair()
			defer theirs.Close()
			sent := 0
			for ; ; sent++ {
				if err := ours.Send([]byte{byte(sent), byte(sent >> 8)}, -1); err != nil {
					require.ErrorIs(t, err, ErrBacklog)
					break
				}
			}
			require.GreaterOrEqual(t, sent, MaxBacklog)
			buf := make([]byte, 8)
			for i := range sent {
				n, fd, err := theirs.Receive(buf)
				require.NoError(t, err)
				require.Equal(t, []byte{byte(i), byte(i >> 8)}, buf[:n])
				require.Equal(t, -1, fd)
			}
			require.NoError(t, ours.Send([]byte("last"), -1))
			ours.Close()
			n, _, err := theirs.Receive(buf)
			require.NoError(t, err)
			require.Equal(t, "last", string(buf[:n]))
			_, _, err = theirs.Receive(buf)
			require.ErrorIs(t, err, io.EOF)
			require.ErrorIs(t, theirs.Send([]byte{1}, -1), io.ErrClosedPipe)
		})
	}
}
