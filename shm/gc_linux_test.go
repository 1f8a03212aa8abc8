package shm

import (
	"context"
	"encoding/json"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm/shmtest"
)

func stateOf(t *testing.T, id string) State {
	t.Helper()
	runs, err := List()
	require.NoError(t, err)
	for _, r := range runs {
		if r.ID == id {
			return r.State
		}
	}
	return ""
}

func TestGCAfterSIGKILL(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	const segments = 500
	_, liveID := startHelper(t, "hold", "3")
	before := mountFree()
	dead, deadID := startHelper(t, "hold", strconv.Itoa(segments))
	require.Equal(t, Alive, stateOf(t, deadID))
	require.Len(t, filesOf(t, deadID), segments+1)

	_, err := GC(context.Background())
	require.NoError(t, err)
	require.Len(t, filesOf(t, deadID), segments+1, "gc took a living run's segments")

	require.NoError(t, dead.Process.Kill())
	dead.Wait()
	require.Equal(t, Orphan, stateOf(t, deadID))

	// Eight at once remove each segment once.
	results := make([]GCResult, 8)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() {
			out, err := helper(t, "gcjson").Output()
			if err == nil {
				err = json.Unmarshal(out, &results[i])
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var sum GCResult
	for _, res := range results {
		sum.Runs += res.Runs
		sum.Segments += res.Segments
		sum.Bytes += res.Bytes
		require.Equal(t, 1, res.Alive, "a dead run was taken for a living one")
	}
	require.Equal(t, GCResult{Runs: 1, Segments: segments, Bytes: segments * 4096}, sum)
	require.Equal(t, before, mountFree(), "the memory of the dead run is not back")
	require.Empty(t, filesOf(t, deadID))
	require.Len(t, filesOf(t, liveID), 4)
	require.Equal(t, Alive, stateOf(t, liveID))
}

func TestGCLeavesUnknownAlone(t *testing.T) {
	id := newRunID()
	name := dir + "/" + segmentName(id, 1)
	require.NoError(t, os.WriteFile(name, []byte("x"), 0o600))
	defer os.Remove(name)
	_, err := GC(context.Background())
	require.NoError(t, err)
	require.Equal(t, Unknown, stateOf(t, id))
	require.FileExists(t, name)
}

func TestGCCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := GC(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

func TestLockIsNeitherMappedNorInherited(t *testing.T) {
	r := newRun(t)
	require.Empty(t, grep(maps(t), lockName(r.ID())))
	flags, err := unix.FcntlInt(r.lock.Fd(), unix.F_GETFD, 0)
	require.NoError(t, err)
	require.NotZero(t, flags&unix.FD_CLOEXEC)
}

func TestListSaysWho(t *testing.T) {
	r := newRun(t)
	var want []SegmentInfo
	for range 11 {
		seg, err := r.Create(4096)
		require.NoError(t, err)
		want = append(want, SegmentInfo{seg.Name(), 4096})
	}
	runs, err := List()
	require.NoError(t, err)
	for _, info := range runs {
		if info.ID == r.ID() {
			require.Equal(t, want, info.Segments)
			require.Contains(t, info.Holder, strconv.Itoa(os.Getpid()))
			require.False(t, info.Since.IsZero())
			return
		}
	}
	t.Fatalf("run %s is not listed in %v", r.ID(), runs)
}

func TestStatAndRemove(t *testing.T) {
	if !shmtest.Private(t, "") {
		return
	}
	live, liveID := startHelper(t, "hold", "2")
	name := segmentName(liveID, 1)
	st, err := Stat(name)
	require.NoError(t, err)
	require.Equal(t, SegmentStat{SegmentInfo{name, 4096}, liveID, Alive, st.Since, st.Holder, []int{live.Process.Pid}}, st)
	require.WithinDuration(t, time.Now(), st.Since, time.Hour)
	require.Contains(t, st.Holder, strconv.Itoa(live.Process.Pid))
	require.ErrorIs(t, Remove(name, false), ErrAlive)
	require.NoError(t, Remove(name, true))
	_, err = Stat(name)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorIs(t, Remove(name, true), os.ErrNotExist)

	// Nothing proves whose the other one is once the lock file is gone.
	require.NoError(t, os.Remove(dir+"/"+lockName(liveID)))
	name = segmentName(liveID, 2)
	st, err = Stat(name)
	require.NoError(t, err)
	require.Equal(t, Unknown, st.State)
	require.ErrorIs(t, Remove(name, false), ErrAlive, "somebody has it mapped")
	require.NoError(t, live.Process.Kill())
	live.Wait()
	require.NoError(t, Remove(name, false))

	for _, bad := range []string{"", "../x", "psm_1", lockName(liveID), "handoff-0123456789abcdef01234567-01"} {
		_, err := Stat(bad)
		require.ErrorIs(t, err, ErrName, bad)
		require.ErrorIs(t, Remove(bad, true), ErrName, bad)
	}
	plant := segmentName(newRunID(), 1)
	require.NoError(t, os.Symlink("/etc/passwd", dir+"/"+plant))
	require.Error(t, Remove(plant, true))
	require.FileExists(t, "/etc/passwd")
}
