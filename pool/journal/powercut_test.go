package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"example.com/handoff/pool/journal"
	"example.com/handoff/pool/journal/journaltest"
	"github.com/stretchr/testify/require"
)

// A script is the life of a journal on a file system, with what was promised so far.
type script struct {
	fs       journal.FS
	there    bool     // the folder was, before Create
	appended []string // in this order
	acked    int      // so many of them survive
	created  bool     // Create has returned nil
	removing bool     // Remove was called
	removed  bool     // Remove has returned nil
}

const scriptHeader = "header of the script"

// group appends n records that have about size bytes, and syncs.
func (s *script) group(j *journal.Journal, n, size int) error {
	for range n {
		rec := fmt.Sprintf("%d %s", len(s.appended), strings.Repeat("x", size))
		s.appended = append(s.appended, rec)
		if err := j.Append([]byte(rec)); err != nil {
			return err
		}
	}
	if err := j.Sync(); err != nil {
		return err
	}
	s.acked = len(s.appended)
	return nil
}

// run goes through the whole life, up to the first error. After one it closes the
// journal, as a caller does.
func (s *script) run(remove bool) (err error) {
	opts := &journal.Options{FS: s.fs}
	j, err := journal.Create("state", []byte(scriptHeader), opts)
	if err != nil {
		return err
	}
	s.created = true
	defer func() { err = errors.Join(err, j.Close()) }()
	for _, g := range [][2]int{{1, 10}, {3, 0}, {2, 5000}, {40, 300}, {1, 100}, {1, 478}, {1, 10}} {
		if err := s.group(j, g[0], g[1]); err != nil {
			return err
		}
	}
	if err := j.Close(); err != nil {
		return err
	}
	again, err := journal.Open("state", opts)
	if err != nil {
		return err
	}
	j = again
	for _, g := range [][2]int{{1, 10}, {9, 1000}} {
		if err := s.group(j, g[0], g[1]); err != nil {
			return err
		}
	}
	if !remove {
		return nil
	}
	s.removing = true
	if err := j.Remove(); err != nil {
		return err
	}
	s.removed = true
	return nil
}

// check opens what is left and holds it to what was promised. It returns the records.
func (s *script) check(fsys journal.FS) ([]string, error) {
	j, err := journal.Open("state", &journal.Options{FS: fsys})
	if errors.Is(err, journal.ErrNone) && (!s.created || s.removing) {
		if j, err = journal.Create("state", []byte(scriptHeader), &journal.Options{FS: fsys}); err != nil {
			return nil, fmt.Errorf("cannot begin again: %w", err)
		}
		if err := j.Remove(); err != nil {
			return nil, err
		}
		if _, err := fsys.Stat("state"); s.there != (err == nil) {
			return nil, fmt.Errorf("the folder: %v, expected it to be there: %v", err, s.there)
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if s.removed {
		return nil, errors.New("it is there after Remove")
	}
	if !bytes.Equal(j.Header(), []byte(scriptHeader)) {
		return nil, fmt.Errorf("the header is %q", j.Header())
	}
	recs, err := records(j)
	if err != nil {
		return nil, err
	}
	if len(recs) < s.acked || !prefixOf(recs, s.appended) {
		return nil, fmt.Errorf("%d records, of which %d were acknowledged", len(recs), s.acked)
	}
	return recs, j.Close()
}

var keeps = []float64{0, 0.1, 0.5, 0.9, 1}

func TestPowerCut(t *testing.T) {
	t.Run("folder=new", func(t *testing.T) { testPowerCut(t, false) })
	t.Run("folder=there", func(t *testing.T) { testPowerCut(t, true) })
}

func testPowerCut(t *testing.T, there bool) {
	seeds := 5
	if soak() {
		seeds = 300
	}
	p := journaltest.NewPowerCut()
	if there {
		require.NoError(t, p.Mkdir("state", 0o700))
		require.NoError(t, p.SyncDir("/"))
	}
	s := &script{fs: p, there: there}
	images, failed := 0, false
	check := func(op any) {
		for _, keep := range keeps {
			for seed := range seeds {
				if failed {
					return
				}
				images++
				image := p.Image(uint64(seed*1000+images), keep)
				recs, err := s.check(image)
				if err != nil {
					failed = true
					t.Errorf("before %v, keep %v: %v", op, keep, err)
				}
				if recs == nil || seed > 0 {
					continue
				}
				// What Open has handed out survives the next cut, also while it is taken up.
				twice(t, s, p.Image(uint64(images), keep), 0, keep)
			}
		}
	}
	p.Before = func(op journaltest.Op) { check(op) }
	require.NoError(t, s.run(true))
	p.Before = nil
	check("the end")
	_, err := p.Image(0, 0).Stat("state")
	require.Equal(t, there, err == nil, "the folder goes if Create has made it")
	require.Greater(t, len(p.Ops()), 40)
	t.Logf("%d images", images)
}

// twice takes a journal up and cuts the power at every operation of that. What Open
// has handed out must survive, whatever the process before it has left in the cache.
func twice(t *testing.T, s *script, p *journaltest.PowerCut, keeps ...float64) {
	t.Helper()
	next := *s
	next.fs = p
	n := uint64(0)
	check := func(op any) {
		for _, keep := range keeps {
			n++
			_, err := next.check(p.Image(n, keep))
			require.NoError(t, err, "second cut before %v, keep %v", op, keep)
		}
	}
	p.Before = func(op journaltest.Op) { check(op) }
	defer func() { p.Before = nil }()
	j, err := journal.Open("state", &journal.Options{FS: p})
	if errors.Is(err, journal.ErrNone) && (!s.created || s.removing) {
		return
	}
	require.NoError(t, err)
	recs, err := records(j)
	require.NoError(t, err)
	require.True(t, len(recs) >= s.acked && prefixOf(recs, s.appended))
	next.created, next.removing = true, false
	next.appended, next.acked = recs[:len(recs):len(recs)], len(recs)
	check("the first group")
	require.NoError(t, next.group(j, 2, 700))
	require.NoError(t, j.Close())
	check("the end")
}

// TestCloseSeals holds Close to leave no gap: the last seal is synced.
func TestCloseSeals(t *testing.T) {
	p := journaltest.NewPowerCut()
	j, err := journal.Create("state", nil, &journal.Options{FS: p})
	require.NoError(t, err)
	appendGroup(t, j, "rec")
	require.NoError(t, j.Close())
	require.Equal(t, get(t, p, "state/journal"), get(t, p.Image(0, 0), "state/journal"))
}

// TestOpenLeavings is about what others do while Open runs, or have left.
func TestOpenLeavings(t *testing.T) {
	p := journaltest.NewPowerCut()
	j, err := journal.Create("state", nil, &journal.Options{FS: p})
	require.NoError(t, err)
	require.NoError(t, j.Close())
	put(t, p, "state/journal.tmp", []byte("of a killed Create"))
	j, _ = open(t, "state", p)
	require.NoError(t, j.Close())
	_, err = p.Stat("state/journal.tmp")
	require.ErrorIs(t, err, fs.ErrNotExist)
	p.Before = func(op journaltest.Op) {
		if op.Kind == "lock" {
			if err := p.Remove("state/journal"); err != nil {
				t.Error(err)
			}
		}
	}
	_, err = journal.Open("state", &journal.Options{FS: p})
	require.ErrorIs(t, err, journal.ErrNone)
}
