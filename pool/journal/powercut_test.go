package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"example.com/handoff/pool/journal"
	"example.com/handoff/pool/journal/journaltest"
	"github.com/stretchr/testify/require"
)

// A script is the life of a journal on a file system, with what was promised so far.
type script struct {
	fs       journal.FS
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
		return nil, j.Remove()
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
	seeds := 16
	if soak() {
		seeds = 300
	}
	p := journaltest.NewPowerCut()
	s := &script{fs: p}
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
				twice(t, s, p.Image(uint64(images), keep), keep)
			}
		}
	}
	p.Before = func(op journaltest.Op) { check(op) }
	require.NoError(t, s.run(true))
	p.Before = nil
	check("the end")
	require.Greater(t, len(p.Ops()), 40)
	t.Logf("%d images", images)
}

// twice cuts the power again at every operation of a resumption.
func twice(t *testing.T, s *script, p *journaltest.PowerCut, keep float64) {
	t.Helper()
	next := *s
	next.appended = append([]string{}, s.appended...)
	n := uint64(0)
	p.Before = func(op journaltest.Op) {
		n++
		if _, err := next.check(p.Image(n, keep)); err != nil {
			t.Errorf("second cut before %v, keep %v: %v", op, keep, err)
		}
	}
	j, err := journal.Open("state", &journal.Options{FS: p})
	require.NoError(t, err)
	recs, err := records(j)
	require.NoError(t, err)
	next.appended, next.acked = recs, len(recs)
	if err := next.group(j, 2, 700); err != nil {
		t.Error(err)
	}
	require.NoError(t, j.Close())
	p.Before = nil
	_, err = next.check(p.Image(0, keep))
	require.NoError(t, err)
}
