package journal_test

import (
	"errors"
	"fmt"
	"testing"

	"example.com/handoff/pool/journal"
	"example.com/handoff/pool/journal/journaltest"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestFailure lets every operation fail, and looks at what is left, on the disk as
// well as in the cache.
func TestFailure(t *testing.T) {
	seeds := 1
	if soak() {
		seeds = 50
	}
	fails := map[string]func(journal.FS, int, error, ...string) *journaltest.Tap{
		"once": journaltest.FailAt, "from then on": journaltest.FailFrom,
	}
	for _, errno := range []error{unix.ENOSPC, unix.EIO} {
		for name, fail := range fails {
			t.Run(fmt.Sprintf("%v %s", errno, name), func(t *testing.T) {
				for n := 1; ; n++ {
					p := journaltest.NewPowerCut()
					tap := fail(p, n, errno)
					s := &script{fs: tap}
					err := s.run(true)
					ops := tap.Ops()
					if len(ops) < n {
						require.NoError(t, err)
						break
					}
					op := ops[n-1]
					if err != nil {
						require.ErrorIs(t, err, errno, "at %v", op)
					}
					var damage *journal.DamageError
					require.False(t, errors.As(err, &damage), "at %v", op)
					for _, keep := range keeps {
						for seed := range seeds {
							_, err = s.check(p.Image(uint64(n*1000+seed), keep))
							require.NoError(t, err, "power cut after a failure at %v, keep %v", op, keep)
						}
					}
					// As after a kill: the cache is as the process has left it.
					twice(t, s, p, keeps...)
				}
			})
		}
	}
}

// TestStopped holds the journal to stop for good: no second fdatasync, no write.
func TestStopped(t *testing.T) {
	for _, kind := range []string{"sync", "write"} {
		t.Run(kind, func(t *testing.T) {
			p := journaltest.NewPowerCut()
			// Create syncs and writes once; the first group syncs once and writes twice.
			n := map[string]int{"sync": 3, "write": 4}[kind]
			tap := journaltest.FailAt(p, n, unix.EIO, kind)
			j, err := journal.Create("state", nil, &journal.Options{FS: tap})
			require.NoError(t, err)
			appendGroup(t, j, "durable")
			require.NoError(t, j.Append([]byte("lost")))
			require.ErrorIs(t, j.Sync(), unix.EIO)
			before := len(tap.Ops())
			require.ErrorIs(t, j.Sync(), unix.EIO)
			require.ErrorIs(t, j.Append([]byte("more")), unix.EIO)
			require.ErrorContains(t, j.Sync(), `journal: sync "state": the journal has stopped: `)
			require.ErrorIs(t, j.Close(), unix.EIO)
			require.NoError(t, j.Close())
			for _, op := range tap.Ops()[before:] {
				require.Contains(t, []string{"close", "unlock"}, op.Kind)
			}
			j, recs := open(t, "state", p)
			require.Equal(t, []string{"durable"}, recs)
			require.NoError(t, j.Remove())
			names, err := p.ReadDir("/")
			require.NoError(t, err)
			require.Empty(t, names)
		})
	}
}

// TestSyncFailedBefore takes up a journal whose last group is in the cache but, since
// fdatasync has failed, will never be written by another one.
func TestSyncFailedBefore(t *testing.T) {
	p := journaltest.NewPowerCut()
	tap := journaltest.FailAt(journaltest.FailAt(p, 1, unix.EIO, "truncate"), 2, unix.EIO, "sync")
	j, err := journal.Create("state", nil, &journal.Options{FS: tap})
	require.NoError(t, err)
	require.NoError(t, j.Append([]byte("rec")))
	require.ErrorIs(t, j.Sync(), unix.EIO)
	require.ErrorIs(t, j.Close(), unix.EIO)
	j, recs := open(t, "state", p)
	require.Equal(t, []string{"rec"}, recs)
	require.NoError(t, j.Close())
	_, recs = open(t, "state", p.Image(1, 0))
	require.Equal(t, []string{"rec"}, recs, "Open has handed it out")
}
