package journal_test

import (
	"errors"
	"testing"

	"example.com/handoff/pool/journal"
	"example.com/handoff/pool/journal/journaltest"
	"github.com/stretchr/testify/require"
)

// Read sees what is there, also while somebody else writes to it, and changes nothing.
func TestRead(t *testing.T) {
	p := journaltest.NewPowerCut()
	read := func() (all []string, torn int64, err error) {
		add := func(b []byte) error { all = append(all, string(b)); return nil }
		before := len(p.Ops())
		torn, err = journal.Read("state", &journal.Options{FS: p}, add, add)
		for _, op := range p.Ops()[before:] {
			require.Equal(t, "open", op.Kind)
		}
		return all, torn, err
	}
	_, _, err := read()
	require.ErrorIs(t, err, journal.ErrNone)
	j, err := journal.Create("state", []byte("header"), &journal.Options{FS: p})
	require.NoError(t, err)
	appendGroup(t, j, "one", "two")
	require.NoError(t, j.Append([]byte("three"))) // in memory
	all, torn, err := read()
	require.NoError(t, err)
	require.Equal(t, []string{"header", "one", "two"}, all)
	require.Zero(t, torn)
	require.NoError(t, j.Close())

	whole := get(t, p, "state/journal")
	put(t, p, "state/journal", append(whole[:len(whole):len(whole)], "torn"...))
	all, torn, err = read()
	require.NoError(t, err)
	require.Equal(t, []string{"header", "one", "two", "three"}, all)
	require.EqualValues(t, 4, torn)
	require.Len(t, get(t, p, "state/journal"), len(whole)+4)

	stop := errors.New("stop")
	_, err = journal.Read("state", &journal.Options{FS: p}, func([]byte) error { return nil }, func([]byte) error { return stop })
	require.Equal(t, stop, err)
	whole[50] ^= 1
	put(t, p, "state/journal", whole)
	_, _, err = read()
	require.ErrorIs(t, err, journal.ErrDamaged)
}
