package shm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm/shmtest"
)

// Of many who create one name one wins, and nobody takes it from him.
func TestCreatorsRace(t *testing.T) {
	r := newRun(t)
	name := segmentName(r.ID(), 1)
	var won atomic.Pointer[Segment]
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			seg, err := createFile(name, 4096, &room{})
			if errors.Is(err, fs.ErrExist) {
				return
			}
			if err != nil {
				t.Error(err)
				return
			}
			if !won.CompareAndSwap(nil, seg) {
				t.Error("two won")
			}
		})
	}
	wg.Wait()
	require.NotNil(t, won.Load())
	require.FileExists(t, dir+"/"+name)
	require.NoError(t, unlinkFile(name))
	require.NoError(t, won.Load().unmap())
}

// Readers that come and go, or are killed, leave the owner's segment alone.
func TestAttachersComeAndGo(t *testing.T) {
	readers := 40
	if os.Getenv("HANDOFF_SOAK") != "" {
		readers = 1000
	}
	seg, err := newRun(t).Create(4096)
	require.NoError(t, err)
	seg.mem[0] = 7
	for i := range readers {
		cmd, _ := startHelper(t, "attach", seg.Name())
		if i%2 == 0 {
			require.NoError(t, cmd.Process.Kill())
		} else {
			require.NoError(t, cmd.Process.Signal(unix.SIGTERM))
		}
		cmd.Wait()
	}
	again, err := Attach(seg.Name(), 4096, ReadOnly)
	require.NoError(t, err)
	require.Equal(t, byte(7), again.mem[0])
	require.NoError(t, again.Close())
}

// While somebody else fills the mount, a segment is refused or it is whole: a
// store to it never dies of SIGBUS.
func TestFullShmWithAWriter(t *testing.T) {
	if !shmtest.Private(t, "size=4m") {
		return
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			name := fmt.Sprintf("%s/junk%d", dir, i%3)
			os.WriteFile(name, make([]byte, 1<<20), 0o600)
			if i%3 == 2 {
				os.Remove(name)
			}
		}
	})
	r := newRun(t)
	made, refused := 0, 0
	for i := range 500 {
		seg, err := r.Create(1<<20 + hugePage*int64(i%2))
		if err != nil {
			require.ErrorIs(t, err, unix.ENOSPC)
			refused++
			continue
		}
		for i := 0; i < len(seg.mem); i += 512 {
			seg.mem[i] = 1
		}
		made++
		require.NoError(t, seg.Close())
	}
	close(stop)
	wg.Wait()
	t.Logf("%d made, %d refused", made, refused)
	require.Positive(t, made)
}

func TestManySegments(t *testing.T) {
	segments := 1000
	if os.Getenv("HANDOFF_SOAK") != "" {
		segments = 20000
	}
	r := newRun(t)
	for range segments {
		seg, err := r.Create(4096)
		require.NoError(t, err)
		again, err := Attach(seg.Name(), 4096, ReadWrite)
		require.NoError(t, err)
		again.mem[0] = 1
		require.Equal(t, byte(1), seg.mem[0])
		require.NoError(t, again.Close())
		require.NoError(t, seg.Close())

		seg, err = r.CreateAnonymous(4096, ReadWrite)
		require.NoError(t, err)
		again, err = AttachFile(seg.File(), seg.Name(), 4096, ReadWrite)
		require.NoError(t, err)
		again.mem[0] = 1
		require.Equal(t, byte(1), seg.mem[0])
		require.NoError(t, again.Close())
		require.NoError(t, seg.Close())
	}
}

// Past the number of mappings that the kernel allows a process: an error that
// says so, and everything is given back.
func TestTooManyMappings(t *testing.T) {
	if os.Getenv("HANDOFF_SOAK") == "" {
		t.Skip("HANDOFF_SOAK is not set: 65530 mappings")
	}
	r, err := NewRun()
	require.NoError(t, err)
	large, err := r.Create(2 * hugePage)
	require.NoError(t, err)
	for err == nil {
		_, err = r.Create(4096)
	}
	_, err = Attach(large.Name(), 0, ReadWrite)
	require.ErrorIs(t, err, unix.ENOMEM)
	require.ErrorContains(t, err, "vm.max_map_count")
	for _, k := range kinds[:2] {
		_, err = k.create(r, 2*hugePage, ReadOnly)
		require.ErrorIs(t, err, unix.ENOMEM)
	}
	var space *SpaceError
	require.ErrorAs(t, err, &space)
	require.ErrorIs(t, err, unix.ENOMEM)
	require.ErrorContains(t, err, "vm.max_map_count")
	t.Log(err)
	require.NoError(t, r.Close())
	require.Empty(t, filesOf(t, r.ID()))
	require.Empty(t, grep(maps(t), r.ID()))
}
