package bench

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
	"example.com/handoff/shm/shmtest"
)

func background() context.Context { return context.Background() }

// held fails the test if, at its end, anything is left of what it started:
// children, descriptors, mappings, goroutines, files in the temporary directory
// or segments of this process. It gives the test a temporary directory.
func held(t testing.TB) {
	t.Helper()
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	shmtest.NoResidue(t, func() map[string]int {
		files, err := os.ReadDir(tmp)
		require.NoError(t, err)
		runs, err := shm.List()
		require.NoError(t, err)
		ours := 0
		for _, r := range runs {
			if strings.HasPrefix(r.Holder, fmt.Sprintf("%d ", os.Getpid())) {
				ours += 1 + len(r.Segments)
			}
		}
		return map[string]int{"temporary files": len(files), "shared memory files": ours}
	})
}

var floats = arrays[shm.Float64]

func newInstance(t testing.TB, bytes int64, touch Touch) *instance {
	t.Helper()
	in, err := floats.instance(bytes, touch)
	require.NoError(t, err)
	return in
}

// newSession is a session that is closed at the end of the test and held to leave nothing.
func newSession(t testing.TB, touch Touch, maxBytes int64, names ...string) *session {
	t.Helper()
	held(t)
	s, err := open(background(), arrays[shm.Float64], names, touch, maxBytes)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.close(background(), t.Failed())) })
	return s
}

func TestAnswersAreRight(t *testing.T) {
	sizes := []int64{8, 64, 4<<10 + 8, 1 << 20}
	for _, touch := range []Touch{TouchSum, TouchEnds} {
		t.Run("touch="+string(touch), func(t *testing.T) {
			s := newSession(t, touch, sizes[len(sizes)-1], strategies...)
			pids := map[int]bool{}
			for _, c := range s.carriers {
				pids[c.pid()] = true
				for _, bytes := range sizes {
					m, err := newSampler(c, newInstance(t, bytes, touch))
					require.NoError(t, err)
					for range 2 {
						m.in.restamp()
						_, err = m.burst(background(), 3)
						require.NoError(t, err, "%s at %d", c.strategy(), bytes)
					}
					require.Zero(t, m.wrong, "%s at %d: wrong answers", c.strategy(), bytes)
					require.NoError(t, c.unload())
				}
			}
			require.Len(t, pids, 7, "five peers of streams, one worker for shm, and 0")
			require.NotContains(t, pids, os.Getpid())
		})
	}
}

// The kernel's own count of what this process wrote and read is the truth.
func TestCopiedBytes(t *testing.T) {
	const bytes, handoffs = 1 << 20, 5
	s := newSession(t, TouchSum, bytes, strategies...)
	for _, c := range s.carriers {
		m, err := newSampler(c, newInstance(t, bytes, TouchSum))
		require.NoError(t, err)
		_, err = m.burst(background(), 2)
		require.NoError(t, err)
		copied, passed := c.copied(), passedDescriptors(t)
		_, err = m.burst(background(), handoffs)
		require.NoError(t, err)
		copied, passed = c.copied()-copied, passedDescriptors(t)-passed
		require.NoError(t, c.unload())

		switch name := c.strategy(); {
		case isStream(name):
			require.InEpsilon(t, 2*passed, copied, 0.01, name)
			switch name {
			case arrowPipe:
				require.InEpsilon(t, 2.0*bytes, float64(copied)/handoffs, 0.01, "%s: 8 bytes for a float64", name)
			case pipeRaw, unixRaw:
				require.Equal(t, int64(handoffs*2*(8+8+bytes+8)), copied, name)
			default:
				require.InEpsilon(t, 2.0*bytes*9/8, float64(copied)/handoffs, 0.01, "%s: 9 bytes for a float64", name)
			}
		default:
			require.Less(t, passed, int64(handoffs*8<<10), "%s: the array passed through a descriptor", name)
			if name == valued {
				require.InDelta(t, handoffs*2*bytes, copied, handoffs*1000, name)
			} else if name == shmResident || name == sharedOnce || name == inProcess {
				require.Zero(t, copied, name)
			} else {
				require.Equal(t, int64(handoffs*bytes), copied, name)
			}
		}
	}
}

// passedDescriptors is what this process has read and written so far.
func passedDescriptors(t *testing.T) (bytes int64) {
	t.Helper()
	b, err := os.ReadFile("/proc/self/io")
	require.NoError(t, err)
	var rchar, wchar int64
	_, err = fmt.Sscanf(string(b), "rchar: %d\nwchar: %d", &rchar, &wchar)
	require.NoError(t, err)
	return rchar + wchar
}

// A stale carrier answers each array with the answer to the one before.
type stale struct {
	*local
	last uint64
}

func (s *stale) handoff(ctx context.Context, k int) (int, error) { return s.repeat(ctx, k, s) }

func (s *stale) ask(ctx context.Context, seq uint64) (uint64, error) {
	v, err := s.local.ask(ctx, seq)
	v, s.last = s.last, v
	return v, err
}

// A frozen carrier hands over what it has had from the first, though under a new number.
type frozen struct {
	*local
	first []float64
}

func (f *frozen) handoff(ctx context.Context, k int) (int, error) { return f.repeat(ctx, k, f) }

func (f *frozen) ask(_ context.Context, seq uint64) (uint64, error) {
	if f.first == nil {
		f.first = slices.Clone(*f.in.v.(*[]float64))
	}
	f.to <- parcel{&f.first, seq}
	a := <-f.from
	return a.value, a.err
}

// A torn carrier hands over an array whose end was not written.
type torn struct{ *local }

func (c *torn) handoff(ctx context.Context, k int) (int, error) { return c.repeat(ctx, k, c) }

func (c *torn) ask(_ context.Context, seq uint64) (uint64, error) {
	x := slices.Clone(*c.in.v.(*[]float64))
	x[len(x)-1] = 0
	c.to <- parcel{&x, seq}
	a := <-c.from
	return a.value, a.err
}

func TestWrongAnswersAreSeen(t *testing.T) {
	held(t)
	for _, touch := range []Touch{TouchSum, TouchEnds} {
		for _, bytes := range []int64{8, 64, 64 << 10} {
			for _, c := range []carrier{&stale{local: newLocal(floats, touch)}, &frozen{local: newLocal(floats, touch)}, &torn{newLocal(floats, touch)}} {
				reference := newLocal(floats, touch)
				o, err := (&Options{Sizes: []int64{bytes}, Touch: touch, Count: 3}).withDefaults()
				require.NoError(t, err)
				results, err := measure(background(), o, []carrier{c, reference})
				require.NoError(t, err)
				require.NoError(t, c.close())
				require.NoError(t, reference.close())
				require.Equal(t, wrongAnswer, results[0].Answer, "%T, %d bytes, %s", c, bytes, touch)
				require.Equal(t, rightAnswer, results[1].Answer)
				r := concluded(Machine{}, touch, results)
				require.ErrorIs(t, r.err(), ErrAnswer)
				require.Contains(t, r.Verdicts[0], "Do not use these figures")
			}
		}
	}
	// Every single answer of a stale carrier is wrong, also from one sample to the next.
	m, err := newSampler(&stale{local: newLocal(floats, TouchSum)}, newInstance(t, 4096, TouchSum))
	require.NoError(t, err)
	defer m.c.close()
	for range 5 {
		m.in.restamp()
		for range 3 {
			_, err := m.burst(background(), 1)
			require.NoError(t, err)
		}
	}
	require.Equal(t, 15, m.wrong)
}

// A deadline of the start would end the peers while they are measured.
func TestStartHasNoDeadline(t *testing.T) {
	start, started := starting(t.Context())
	_, ok := start.Deadline()
	require.False(t, ok)
	require.NoError(t, start.Err())
	started()
	require.Error(t, start.Err())
}

func TestArraysAreEntropic(t *testing.T) {
	v, err := arrays[shm.Float64].generate(10_000)
	require.NoError(t, err)
	low := 0
	for _, v := range *v.(*[]float64) {
		require.True(t, 1 <= math.Abs(v) && math.Abs(v) < 2, v)
		if math.Float64bits(v)&0xff == 0 {
			low++
		}
	}
	require.Less(t, low, 150, "too many mantissas end in a zero byte: 1 in 256 is expected of 10000")
}
