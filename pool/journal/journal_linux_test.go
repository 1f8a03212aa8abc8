package journal_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"example.com/handoff/pool/journal"
	"example.com/handoff/pool/journal/journaltest"
	"github.com/stretchr/testify/require"
)

func TestRoundTrip(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	_, err := journal.Open(dir, nil)
	require.ErrorIs(t, err, journal.ErrNone)
	j, err := journal.Create(dir, []byte("header"), nil)
	require.NoError(t, err)
	require.Equal(t, "header", string(j.Header()))
	require.Zero(t, j.Len())
	info, err := os.Stat(dir)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o700), info.Mode().Perm())
	info, err = os.Stat(filepath.Join(dir, "journal"))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode().Perm())

	var want []string
	add := func(recs ...string) {
		appendGroup(t, j, recs...)
		want = append(want, recs...)
	}
	add("a", "", "ccc")
	require.NoError(t, j.Sync()) // of nothing
	add(strings.Repeat("large", 1<<20), "small", strings.Repeat("x", 2<<20))
	require.NoError(t, j.Append([]byte("not synced")))
	want = append(want, "not synced")
	require.NoError(t, j.Close())
	require.NoError(t, j.Close())
	require.ErrorIs(t, j.Append(nil), journal.ErrClosed)
	require.ErrorIs(t, j.Sync(), journal.ErrClosed)
	require.ErrorIs(t, j.Remove(), journal.ErrClosed)
	_, err = records(j)
	require.NoError(t, err) // there were none at Create

	_, err = journal.Create(dir, nil, nil)
	require.ErrorIs(t, err, journal.ErrExists)
	for i := range 3 {
		var got []string
		j, got = open(t, dir, nil)
		require.Equal(t, "header", string(j.Header()))
		require.True(t, equal(want, got))
		require.Zero(t, j.Cut())
		add(fmt.Sprint("again ", i), "and again")
		got, err = records(j) // those of Open, while there are more
		require.NoError(t, err)
		require.Len(t, got, len(want)-2)
		require.NoError(t, j.Close())
		_, err = records(j)
		require.ErrorIs(t, err, fs.ErrClosed)
	}
	names, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, names, 1, "only the journal stays")
}

func TestTooLarge(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	large := make([]byte, journal.MaxRecord+1)
	_, err := journal.Create(dir, large, nil)
	require.ErrorIs(t, err, journal.ErrTooLarge)
	require.NoDirExists(t, dir)
	j, err := journal.Create(dir, large[1:], nil)
	require.NoError(t, err)
	require.ErrorIs(t, j.Append(large), journal.ErrTooLarge)
	appendGroup(t, j, string(large[1:]), "after")
	require.NoError(t, j.Close())
	j, got := open(t, dir, nil)
	require.True(t, bytes.Equal(large[1:], j.Header()))
	require.True(t, equal([]string{string(large[1:]), "after"}, got))
	require.NoError(t, j.Remove())
}

// TestLongGroup appends without a Sync: memory, and what a torn tail can have, stay bounded.
func TestLongGroup(t *testing.T) {
	tap := journaltest.FailAt(journal.OS(), 0, nil)
	dir := filepath.Join(t.TempDir(), "state")
	j, err := journal.Create(dir, nil, &journal.Options{FS: tap})
	require.NoError(t, err)
	before := len(tap.Ops())
	rec := make([]byte, journal.MaxRecord)
	for range 4 {
		require.NoError(t, j.Append(rec))
	}
	kinds := map[string]int{}
	for _, op := range tap.Ops()[before:] {
		kinds[op.Kind]++
	}
	require.Equal(t, map[string]int{"write": 5, "sync": 1}, kinds)
	require.NoError(t, j.Remove())
}

// TestHugeFile opens a file with a hole of a terabyte: nobody waits for a search through it.
func TestHugeFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	j, err := journal.Create(dir, nil, nil)
	require.NoError(t, err)
	require.NoError(t, j.Close())
	if err := os.Truncate(filepath.Join(dir, "journal"), 1<<40); err != nil {
		t.Skip("no such file here:", err)
	}
	_, err = journal.Open(dir, nil)
	require.ErrorIs(t, err, journal.ErrDamaged)
	require.ErrorContains(t, err, "more than a write can have left")
}

func TestRemove(t *testing.T) {
	base := t.TempDir()
	for _, tt := range []struct {
		name         string
		there, other bool
		stays        bool
	}{
		{name: "a folder that Create has made"},
		{name: "one that was there", there: true, stays: true},
		{name: "one with something in it", other: true, stays: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := filepath.Join(base, tt.name)
			if tt.there {
				require.NoError(t, os.Mkdir(dir, 0o755))
			}
			for range 2 { // also a second journal, and one that was opened
				j, err := journal.Create(dir, nil, nil)
				require.NoError(t, err)
				appendGroup(t, j, "rec")
				require.NoError(t, j.Close())
				j, _ = open(t, dir, nil)
				if tt.other {
					require.NoError(t, os.WriteFile(filepath.Join(dir, "other"), nil, 0o600))
				}
				require.NoError(t, j.Remove())
				require.ErrorIs(t, j.Append(nil), journal.ErrClosed)
				require.NoError(t, j.Close())
				_, err = journal.Open(dir, nil)
				require.ErrorIs(t, err, journal.ErrNone)
				if !tt.stays {
					require.NoDirExists(t, dir)
					continue
				}
				names, err := os.ReadDir(dir)
				require.NoError(t, err)
				require.Equal(t, tt.other, len(names) == 1)
			}
		})
	}
}

// TestCost holds a group to one write, one sync and one seal.
func TestCost(t *testing.T) {
	tap := journaltest.FailAt(journal.OS(), 0, nil)
	dir := filepath.Join(t.TempDir(), "state")
	j, err := journal.Create(dir, nil, &journal.Options{FS: tap})
	require.NoError(t, err)
	appendGroup(t, j, "first")
	before := len(tap.Ops())
	appendGroup(t, j, "a", "b", "c")
	path := filepath.Join(dir, "journal.tmp") // under which it was opened
	require.Equal(t, []journaltest.Op{
		{Kind: "write", Name: path, Bytes: 3 * 40}, {Kind: "sync", Name: path}, {Kind: "write", Name: path, Bytes: 32},
	}, tap.Ops()[before:])
	require.NoError(t, j.Close())
}

func TestConcurrentUse(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	tap := journaltest.FailAt(journal.OS(), 0, nil)
	j, err := journal.Create(dir, nil, &journal.Options{FS: tap})
	require.NoError(t, err)
	const goroutines, each = 8, 20
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range each {
				rec := fmt.Sprintf("%d %d%s", g, i, strings.Repeat(".", g*1000))
				if j.Append([]byte(rec)) != nil || j.Sync() != nil {
					t.Error("cannot append")
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, j.Close())
	syncs := 0
	for _, op := range tap.Ops() {
		if op.Kind == "sync" {
			syncs++
		}
	}
	require.LessOrEqual(t, syncs, goroutines*each+2)
	j, got := open(t, dir, nil)
	require.Len(t, got, goroutines*each)
	next := map[byte]int{}
	for _, rec := range got { // in order for each goroutine
		require.True(t, strings.HasPrefix(rec, fmt.Sprintf("%c %d", rec[0], next[rec[0]])))
		next[rec[0]]++
	}
	require.NoError(t, j.Close())
}

func BenchmarkGroup(b *testing.B) {
	for _, size := range []int{100, 10_000} {
		rec := make([]byte, size)
		b.Run(fmt.Sprintf("via=journal/size=%dB", size), func(b *testing.B) {
			j, err := journal.Create(filepath.Join(b.TempDir(), "state"), nil, nil)
			require.NoError(b, err)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if j.Append(rec) != nil || j.Sync() != nil {
					b.Fatal("cannot append")
				}
			}
			require.NoError(b, j.Remove())
		})
		b.Run(fmt.Sprintf("via=file/size=%dB", size), func(b *testing.B) {
			f, err := journal.OS().OpenFile(filepath.Join(b.TempDir(), "file"), os.O_RDWR|os.O_CREATE, 0o600)
			require.NoError(b, err)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Write(rec); err != nil || f.Sync() != nil {
					b.Fatal("cannot write")
				}
			}
			require.NoError(b, f.Close())
		})
	}
}
