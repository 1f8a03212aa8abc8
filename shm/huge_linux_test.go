package shm

import (
	"fmt"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm/shmtest"
)

// pmdMapped is how many bytes of the mappings of that name this process has
// mapped as huge pages.
func pmdMapped(name string) (bytes int64, err error) {
	b, err := os.ReadFile("/proc/self/smaps")
	inside := false
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		switch {
		case len(f) > 0 && !strings.HasSuffix(f[0], ":"): // the head of a mapping
			inside = strings.Contains(line, name)
		case inside && len(f) > 1 && f[0] == "ShmemPmdMapped:":
			kib, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				return 0, err
			}
			bytes += kib << 10
		}
	}
	return bytes, err
}

// hugePagesHere reports whether a process may have huge pages of shared memory
// now, by asking the kernel alone.
func hugePagesHere(t *testing.T) bool {
	fd, err := unix.MemfdCreate("probe", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	f := os.NewFile(uintptr(fd), "probe")
	defer f.Close()
	_, err = f.Write(make([]byte, hugePage))
	require.NoError(t, err)
	b, err := mapAligned(f, hugePage, hugePage, unix.PROT_READ|unix.PROT_WRITE)
	require.NoError(t, err)
	defer unmapAligned(b)
	clear(b)
	unix.Madvise(b, unix.MADV_COLLAPSE)
	bytes, err := pmdMapped("/memfd:probe")
	require.NoError(t, err)
	return bytes > 0
}

func TestHugePagesAreMapped(t *testing.T) {
	const size = 3*hugePage + 12345
	eachKind(t, func(t *testing.T, k kind) {
		before := hugePagesHere(t)
		seg, err := k.create(newRun(t), size, ReadOnly)
		require.NoError(t, err)
		require.Zero(t, reflect.ValueOf(seg.mem).Pointer()%hugePage, "not aligned")
		clear(seg.mem)
		mapped, err := pmdMapped(seg.Name())
		require.NoError(t, err)
		require.Equal(t, seg.Huge(), mapped, "what is said is not what smaps says")
		out, err := k.peer(t, seg, size, "r", "huge").CombinedOutput()
		require.NoError(t, err, string(out))
		require.Equal(t, fmt.Sprintln(seg.Huge(), nil), string(out), "in the process that attached")
		if !before || !hugePagesHere(t) {
			t.Logf("this machine gives no huge pages now: %d of %d bytes", seg.Huge(), size)
			return
		}
		require.Equal(t, int64(3*hugePage), seg.Huge())
	})
}

func TestSmallSegmentsHaveNoHugePages(t *testing.T) {
	seg, err := newRun(t).Create(hugePage - 1)
	require.NoError(t, err)
	require.Zero(t, seg.Huge())
}

// helperSmall forbids itself huge pages.
func helperSmall([]string) error {
	if err := unix.Prctl(unix.PR_SET_THP_DISABLE, 1, 0, 0, 0); err != nil {
		return err
	}
	r, err := NewRun()
	if err != nil {
		return err
	}
	for _, k := range kinds[:2] {
		s, err := k.create(r, 2*hugePage, ReadOnly)
		if err != nil {
			return err
		}
		fill(s.mem, 1)
		fmt.Println(k.name, s.Huge(), len(s.mem))
	}
	return r.Close()
}

func TestWithoutHugePages(t *testing.T) {
	out, err := helper(t, "small").CombinedOutput()
	require.NoError(t, err, string(out))
	require.Equal(t, "named 0 4194304\nanonymous 0 4194304\n", string(out))
}

// Of what the kernel refuses, no more is asked than is of use; what it gives is
// counted, and nothing else.
func TestCollapse(t *testing.T) {
	always := func(err error) []error { return slices.Repeat([]error{err}, 1000) }
	for name, row := range map[string]struct {
		chunks  int
		answers []error // call by call; nil after the last
		calls   int
		huge    int64 // in huge pages
	}{
		"all":                         {3, nil, 3, 3},
		"nothing to ask for":          {0, nil, 0, 0},
		"not available":               {3, always(unix.EINVAL), 1, 0},
		"unknown":                     {3, always(unix.ENOSYS), 1, 0},
		"one that stays small":        {3, []error{nil, unix.EINVAL}, 3, 2},
		"no memory for one":           {3, []error{unix.ENOMEM}, 3, 2},
		"in use, then not":            {2, []error{unix.EAGAIN, unix.EBUSY, nil}, 4, 2},
		"always in use":               {2, always(unix.EAGAIN), 6, 0},
		"interrupted":                 {1, []error{unix.EINTR}, 2, 1},
		"no huge pages left":          {100, always(unix.ENOMEM), collapseRefusals, 0},
		"a cgroup without room":       {100, always(unix.EBUSY), collapseRefusals * collapseTries, 0},
		"refusals far from one other": {100, []error{unix.ENOMEM, unix.ENOMEM, nil, unix.ENOMEM}, 100, 97},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			huge := collapse(make([]byte, row.chunks*hugePage+4096), func(b []byte) error {
				require.Len(t, b, hugePage)
				calls++
				if calls <= len(row.answers) {
					return row.answers[calls-1]
				}
				return nil
			})
			require.Equal(t, row.huge*hugePage, huge)
			require.Equal(t, row.calls, calls)
		})
	}
}

// Large segments are made, stored to and ended side by side: nobody's mapping
// lies in another's way.
func TestLargeSegmentsSideBySide(t *testing.T) {
	r := newRun(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 4 {
				seg, err := kinds[i%2].create(r, hugePage+int64(i), ReadOnly)
				if err != nil {
					t.Error(err)
					return
				}
				fill(seg.mem, byte(i))
				want := checksum(seg.mem)
				again := seg
				if i%2 == 0 {
					again, err = Attach(seg.Name(), seg.Size(), ReadOnly)
				} else {
					again, err = AttachFile(seg.File(), seg.Name(), seg.Size(), ReadOnly)
				}
				if err != nil || checksum(again.mem) != want {
					t.Error("not what was stored", err)
					return
				}
				if again.Close() != nil || seg.Close() != nil {
					t.Error("not closed")
				}
			}
		})
	}
	wg.Wait()
}

// The way to huge pages asks for no more room than the segment has: what just
// fits is made, what does not is refused, and nothing is left.
func TestLargeSegmentFillsShm(t *testing.T) {
	if !shmtest.Private(t, "size=4m") {
		return
	}
	r := newRun(t)
	junk := mountFree() - 3<<20
	require.NoError(t, os.WriteFile(dir+"/junk", make([]byte, junk), 0o600))
	require.Equal(t, int64(3<<20), mountFree())
	for range 3 {
		seg, err := r.Create(3 << 20)
		require.NoError(t, err)
		fill(seg.mem, 1)
		t.Logf("%d bytes on huge pages", seg.Huge())
		require.NoError(t, seg.Close())
		require.Equal(t, int64(3<<20), mountFree())

		_, err = r.Create(3<<20 + 1)
		require.ErrorIs(t, err, unix.ENOSPC)
	}
	// The same without the look beforehand: once there is room for the pages that
	// are collapsed, once not even for those.
	for _, size := range []int64{3<<20 + 1, 10 << 30} {
		f, err := openFile("plain", unix.O_CREAT|unix.O_RDWR, 0o600)
		require.NoError(t, err)
		_, _, err = reserveAndMap(f, size)
		require.ErrorIs(t, err, unix.ENOSPC)
		require.NoError(t, f.Close())
		require.NoError(t, os.Remove(dir+"/plain"))
		require.Empty(t, grep(maps(t), "/plain"))
		require.Equal(t, int64(3<<20), mountFree())
	}
}

// An arena counts what of it is in use, was at most, and lies on huge pages.
func TestArenaStats(t *testing.T) {
	a := newRun(t).NewArena(nil)
	before := hugePagesHere(t)
	x, err := Make[byte](a, 2*hugePage)
	require.NoError(t, err)
	y, err := Make[byte](a, 1<<20)
	require.NoError(t, err)
	s := a.Stats()
	require.Equal(t, int64(2*hugePage+1<<20), s.Live)
	require.Equal(t, s.Mapped, s.Live+s.Free)
	require.Equal(t, len(a.slabs), s.Segments)
	y.Release()
	x.Release()
	after := a.Stats()
	require.Zero(t, after.Live)
	require.Equal(t, s.Live, after.HighWater)
	require.Equal(t, s.Mapped, after.Free)
	if before && hugePagesHere(t) {
		require.GreaterOrEqual(t, s.Huge, int64(2*hugePage))
	}
	require.LessOrEqual(t, s.Huge, s.Mapped)
	require.Equal(t, s.Mapped, a.Trim())
	require.Equal(t, ArenaStats{HighWater: s.Live}, a.Stats())
}
