package shm

import (
	"bufio"
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A kind is one way to make a segment and to hand it to another process. The
// tests of this file hold for each.
type kind struct {
	name   string
	create func(r *Run, size int64, peers Mode) (*Segment, error)
	// pass gives a command what its process needs for the kind's attach.
	pass   func(t *testing.T, cmd *exec.Cmd, s *Segment)
	attach func(name string, minBytes int64, mode Mode) (*Segment, error)
}

var kinds = []kind{
	{
		name:   "named",
		create: func(r *Run, size int64, _ Mode) (*Segment, error) { return r.Create(size) },
		pass:   func(*testing.T, *exec.Cmd, *Segment) {},
		attach: Attach,
	},
	{
		name:   "anonymous",
		create: (*Run).CreateAnonymous,
		pass: func(_ *testing.T, cmd *exec.Cmd, s *Segment) {
			cmd.ExtraFiles = append(cmd.ExtraFiles, s.File())
		},
		attach: func(name string, minBytes int64, mode Mode) (*Segment, error) {
			f := os.NewFile(3, name)
			defer f.Close()
			return AttachFile(f, name, minBytes, mode)
		},
	},
	{
		name:   "anonymous over a socket",
		create: (*Run).CreateAnonymous,
		pass: func(t *testing.T, cmd *exec.Cmd, s *Segment) {
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
			require.NoError(t, err)
			require.NoError(t, unix.Sendmsg(pair[0], []byte{1}, unix.UnixRights(int(s.File().Fd())), nil, 0))
			require.NoError(t, unix.Close(pair[0]))
			theirs := os.NewFile(uintptr(pair[1]), "socket")
			t.Cleanup(func() { theirs.Close() })
			cmd.ExtraFiles = append(cmd.ExtraFiles, theirs)
		},
		attach: func(name string, minBytes int64, mode Mode) (*Segment, error) {
			oob := make([]byte, unix.CmsgSpace(4))
			_, n, _, _, err := unix.Recvmsg(3, make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC)
			if err != nil {
				return nil, err
			}
			msgs, err := unix.ParseSocketControlMessage(oob[:n])
			if err != nil || len(msgs) != 1 {
				return nil, fmt.Errorf("%d control messages, %v", len(msgs), err)
			}
			fds, err := unix.ParseUnixRights(&msgs[0])
			if err != nil {
				return nil, err
			}
			f := os.NewFile(uintptr(fds[0]), name)
			defer f.Close()
			return AttachFile(f, name, minBytes, mode)
		},
	},
}

// helperPeer attaches to a segment and does what it is told, one line of output each:
// args are kind, name, least size, mode ("r" or "rw") and verbs.
func helperPeer(args []string) error {
	minBytes, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return err
	}
	mode := ReadOnly
	if args[3] == "rw" {
		mode = ReadWrite
	}
	var seg *Segment
	for _, k := range kinds {
		if k.name == args[0] {
			if seg, err = k.attach(args[1], minBytes, mode); err != nil {
				return err
			}
		}
	}
	for _, verb := range args[4:] {
		switch verb {
		case "read":
			fmt.Println(seg.Name(), seg.Size(), seg.Writable(), checksum(seg.mem))
		case "fill":
			fill(seg.mem, 2)
			fmt.Println("filled")
		case "store":
			seg.mem[0] = 1
			fmt.Println("stored")
		case "huge": // of the mapping, after it was touched
			checksum(seg.mem)
			fmt.Println(pmdMapped(seg.Name()))
		case "cut": // the file, under the mapping
			fmt.Println(os.Truncate(dir+"/"+seg.Name(), 0))
		case "close":
			fmt.Println(seg.Close())
		case "mappings":
			b, err := os.ReadFile("/proc/self/maps")
			fmt.Println(len(grep(string(b), args[1])), err)
		case "hold":
			fmt.Println("attached")
			io.Copy(io.Discard, os.Stdin) // ends with the test
		default:
			return fmt.Errorf("no verb %q", verb)
		}
	}
	return nil
}

func fill(b []byte, seed byte) {
	pattern := make([]byte, 4099)
	for i := range pattern {
		pattern[i] = byte(i)*seed + byte(i>>8) + 1
	}
	for len(b) > 0 {
		b = b[copy(b, pattern):]
	}
}

func checksum(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

// peer is another process that attaches to s as helperPeer does.
func (k kind) peer(t *testing.T, s *Segment, minBytes int64, mode string, verbs ...string) *exec.Cmd {
	t.Helper()
	cmd := helper(t, "peer", append([]string{k.name, s.Name(), strconv.FormatInt(minBytes, 10), mode}, verbs...)...)
	k.pass(t, cmd, s)
	return cmd
}

// holder starts a peer that keeps s mapped until the end of the test.
func (k kind) holder(t *testing.T, s *Segment, mode string) *exec.Cmd {
	t.Helper()
	cmd := k.peer(t, s, 0, mode, "hold")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "attached\n", line)
	return cmd
}

func eachKind(t *testing.T, test func(t *testing.T, k kind)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) { test(t, k) })
	}
}

func TestKindsExchange(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		for _, size := range []int64{1, 4097, 1 << 20, 2 << 20, 5<<20 + 123} {
			r := newRun(t)
			seg, err := k.create(r, size, ReadWrite)
			require.NoError(t, err)
			require.Equal(t, size, seg.Size())
			require.Equal(t, segmentName(r.ID(), 1), seg.Name())
			require.True(t, seg.Writable())
			require.Equal(t, k.name != "named", seg.Anonymous())
			require.Equal(t, seg.Anonymous(), seg.File() != nil)
			require.True(t, bytes.Equal(make([]byte, size), seg.mem), "not zeroed")

			fill(seg.mem, 1)
			want := fmt.Sprintf("%s %d false %d\n<nil>\n0 <nil>\n", seg.Name(), size, checksum(seg.mem))
			out, err := k.peer(t, seg, size, "r", "read", "close", "mappings").CombinedOutput()
			require.NoError(t, err, string(out))
			require.Equal(t, want, string(out))

			out, err = k.peer(t, seg, size, "rw", "fill").CombinedOutput()
			require.NoError(t, err, string(out))
			theirs := make([]byte, size)
			fill(theirs, 2)
			require.True(t, bytes.Equal(theirs, seg.mem), "not what the other process wrote")
			require.NoError(t, seg.Close())
		}
	})
}

// A reader's store kills the reader; the owner and its data do not notice.
func TestKindsReadOnly(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		for _, size := range []int64{4096, 2 << 20} {
			seg, err := k.create(newRun(t), size, ReadOnly)
			require.NoError(t, err)
			fill(seg.mem, 1)
			before := checksum(seg.mem)
			out, err := k.peer(t, seg, 0, "r", "store").CombinedOutput()
			require.Error(t, err)
			require.Contains(t, string(out), "SIGSEGV")
			require.NotContains(t, string(out), "stored")
			require.Equal(t, before, checksum(seg.mem))
		}
	})
}

func TestKindsTooSmall(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		seg, err := k.create(newRun(t), 4096, ReadWrite)
		require.NoError(t, err)
		out, err := k.peer(t, seg, 4097, "r", "read").CombinedOutput()
		require.Error(t, err)
		require.Contains(t, string(out), "not a usable segment: 4096 bytes, expected at least 4097")
	})
}

func TestKindsSizes(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		r := newRun(t)
		for _, size := range []int64{0, -1, math.MinInt64} {
			_, err := k.create(r, size, ReadOnly)
			require.ErrorContains(t, err, "expected more than 0 bytes")
		}
		for _, size := range []int64{1 << 50, 1 << 60, math.MaxInt64} {
			_, err := k.create(r, size, ReadOnly)
			require.ErrorIs(t, err, unix.ENOSPC)
			require.ErrorContains(t, err, "no space left on device")
			var space *SpaceError
			require.ErrorAs(t, err, &space)
			require.Equal(t, size, space.Asked)
			require.Positive(t, space.Free)
			require.NotEmpty(t, space.Where)
			require.NotEmpty(t, space.Remedy)
		}
		require.Len(t, filesOf(t, r.ID()), 1, "only the lock may be there")
		require.Empty(t, grep(descriptors(t), r.ID()+"-"))
	})
}

func TestKindsCloseWaitsForPins(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		for _, size := range []int64{4096, 3 << 20} {
			r := newRun(t)
			seg, err := k.create(r, size, ReadOnly)
			require.NoError(t, err)
			shape, err := ShapeOf(3)
			require.NoError(t, err)
			arr, err := BindArray[int32](seg, Ref{Segment: seg.Name(), DType: Int32, Shape: shape})
			require.NoError(t, err)
			pin, err := seg.Pin()
			require.NoError(t, err)
			copy(arr.Data(), []int32{1, 2, 3})
			unmaps := 0
			seg.OnUnmap(func() { unmaps++ })
			require.NoError(t, seg.Close())
			require.NoError(t, seg.Close())
			_, err = seg.Pin()
			require.ErrorIs(t, err, ErrClosed)
			require.Equal(t, []int32{1, 2, 3}, arr.Data())
			arr.Release()
			require.Zero(t, unmaps)
			require.NotEmpty(t, grep(maps(t), seg.Name()))
			pin.Release()
			require.Equal(t, 1, unmaps)
			seg.OnUnmap(func() { unmaps++ })
			require.Equal(t, 2, unmaps, "not at once on an unmapped segment")
			require.NoError(t, seg.Close())
			require.Empty(t, grep(maps(t), seg.Name()))
			require.Empty(t, grep(descriptors(t), seg.Name()))
			require.Len(t, filesOf(t, r.ID()), 1)
		}
	})
}

func TestKindsRunClose(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		r := newRun(t)
		seg, err := k.create(r, 4096, ReadOnly)
		require.NoError(t, err)
		_, err = k.create(r, 3<<20, ReadOnly)
		require.NoError(t, err)
		pin, err := seg.Pin()
		require.NoError(t, err)
		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
		require.Empty(t, filesOf(t, r.ID()))
		seg.mem[0] = 1 // pinned: still there
		require.Len(t, grep(maps(t), r.ID()), 1)
		pin.Release()
		_, err = k.create(r, 4096, ReadOnly)
		require.ErrorIs(t, err, ErrClosed)
	})
}

// Peers that leave or are killed do no harm to the owner, nor to each other.
func TestKindsPeersDie(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		seg, err := k.create(newRun(t), 4096, ReadWrite)
		require.NoError(t, err)
		fill(seg.mem, 1)
		before := checksum(seg.mem)
		k.holder(t, seg, "rw")
		killed := k.holder(t, seg, "rw")
		require.NoError(t, killed.Process.Kill())
		killed.Wait()
		require.Equal(t, before, checksum(seg.mem))
		out, err := k.peer(t, seg, 4096, "r", "read").CombinedOutput()
		require.NoError(t, err, string(out))
		require.Contains(t, string(out), fmt.Sprint(before))
	})
}

// A dead owner's memory stays with the peers that have it.
func TestKindsPeerOutlivesClose(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		r := newRun(t)
		seg, err := k.create(r, 4096, ReadWrite)
		require.NoError(t, err)
		peer := k.holder(t, seg, "rw")
		require.NoError(t, seg.Close())
		theirs, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", peer.Process.Pid))
		require.NoError(t, err)
		require.Len(t, grep(string(theirs), seg.Name()), 1)
	})
}

func TestKindsManyClosersAndPins(t *testing.T) {
	eachKind(t, func(t *testing.T, k kind) {
		seg, err := k.create(newRun(t), 2<<20, ReadOnly)
		require.NoError(t, err)
		var unmaps atomic.Int32
		seg.OnUnmap(func() { unmaps.Add(1) })
		shape, err := ShapeOf(100)
		require.NoError(t, err)
		ref := Ref{Segment: seg.Name(), DType: Uint8, Shape: shape}
		var wg sync.WaitGroup
		for range 64 {
			wg.Go(func() {
				if v, err := Bind[uint8](seg, ref); err == nil {
					_ = v.Data()[99]
					v.Release()
				}
				if err := seg.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, int32(1), unmaps.Load())
	})
}
