package journal_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"

	"example.com/handoff/pool/journal"
	"example.com/handoff/pool/journal/journaltest"
	"github.com/stretchr/testify/require"
)

const (
	prefixBytes = 32
	sealBytes   = 32
)

var sampleRecords = []string{"one", "", "three of some length", "4", "five", "six of the last group", "7"}

// sample returns the bytes of a closed journal with sampleRecords, and where the
// frames begin: the header, its seal, the records, and the seals after the groups.
func sample(t testing.TB) (b []byte, frames []int) {
	t.Helper()
	p := journaltest.NewPowerCut()
	j, err := journal.Create("state", []byte("the header"), &journal.Options{FS: p})
	require.NoError(t, err)
	appendGroup(t, j, sampleRecords[:3]...)
	appendGroup(t, j, sampleRecords[3])
	appendGroup(t, j, sampleRecords[4:]...)
	require.NoError(t, j.Close())
	b = get(t, p, "state/journal")
	for at := prefixBytes; at < len(b); {
		frames = append(frames, at)
		at += 32 + (int(binary.LittleEndian.Uint32(b[at:]))+7)&^7
	}
	require.Len(t, frames, 2+len(sampleRecords)+3)
	return b, frames
}

// try opens a file of these bytes.
func try(t testing.TB, b []byte) (recs []string, cut int64, err error) {
	t.Helper()
	p := journaltest.NewPowerCut()
	require.NoError(t, p.Mkdir("state", 0o700))
	put(t, p, "state/journal", b)
	j, err := journal.Open("state", &journal.Options{FS: p})
	if err != nil {
		if !bytes.Equal(b, get(t, p, "state/journal")) {
			t.Fatal("Open has changed a file that it refused")
		}
		return nil, 0, err
	}
	recs, err = records(j)
	require.NoError(t, err)
	cut = j.Cut()
	require.NoError(t, j.Append([]byte("more")))
	require.NoError(t, j.Close())
	again, err := journal.Open("state", &journal.Options{FS: p})
	require.NoError(t, err)
	more, err := records(again)
	require.NoError(t, err)
	require.Equal(t, append(recs[:len(recs):len(recs)], "more"), more)
	require.Zero(t, again.Cut())
	require.NoError(t, again.Close())
	return recs, cut, nil
}

func TestCutAtEveryLength(t *testing.T) {
	b, frames := sample(t)
	born := frames[2]
	for length := range len(b) + 1 {
		recs, cut, err := try(t, b[:length])
		if length < born {
			require.ErrorIs(t, err, journal.ErrDamaged, "length %d", length)
			continue
		}
		require.NoError(t, err, "length %d", length)
		want, whole := 0, born
		for i, at := range frames[2:] {
			end := len(b)
			if i+3 < len(frames) {
				end = frames[i+3]
			}
			if end > length {
				break
			}
			if whole = end; b[at+4] == 2 {
				want++
			}
		}
		require.True(t, equal(sampleRecords[:want], recs), "length %d", length)
		require.EqualValues(t, length-whole, cut, "length %d", length)
	}
}

var flips = []func(byte) byte{
	func(b byte) byte { return b ^ 1 },
	func(b byte) byte { return b ^ 0x80 },
	func(b byte) byte { return ^b },
	func(byte) byte { return 0 },
}

func TestEveryByteFlipped(t *testing.T) {
	flips := flips
	if soak() {
		for bit := range 8 {
			flips = append(flips, func(b byte) byte { return b ^ 1<<bit })
		}
	}
	b, frames := sample(t)
	// With the last seal gone the last group may be lost, and nothing else.
	previous := frames[7] // the seal before the last group
	for _, tt := range []struct {
		name   string
		b      []byte
		gap    int // where it begins
		before int // how many records lie before it
	}{
		{"closed", b, len(b) - sealBytes, len(sampleRecords)},
		{"the power went before the last seal was written", b[:len(b)-sealBytes], previous, 4},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for at := range tt.b {
				for _, flip := range flips {
					bad := bytes.Clone(tt.b)
					if bad[at] = flip(bad[at]); bad[at] == tt.b[at] {
						continue
					}
					recs, cut, err := try(t, bad)
					switch {
					case err != nil:
						require.ErrorIs(t, err, journal.ErrDamaged, "at %d", at)
						var damage *journal.DamageError
						require.ErrorAs(t, err, &damage)
						require.Equal(t, "state/journal", damage.Path)
						require.LessOrEqual(t, damage.Offset, int64(at))
					case at < tt.gap:
						t.Fatalf("the byte at %d was changed, and it opened", at)
					default:
						require.NotZero(t, cut)
						require.GreaterOrEqual(t, len(recs), tt.before)
						require.True(t, prefixOf(recs, sampleRecords), "at %d", at)
					}
				}
			}
		})
	}
}

func TestDamageSays(t *testing.T) {
	b, frames := sample(t)
	b[frames[4]+33] ^= 1 // record 3
	_, _, err := try(t, b)
	var damage *journal.DamageError
	require.ErrorAs(t, err, &damage)
	require.Equal(t, 3, damage.Record)
	require.EqualValues(t, frames[4], damage.Offset)
	require.ErrorContains(t, err, fmt.Sprintf(`journal: open "state": "state/journal" is damaged at record 3, offset %d: `, frames[4]))
}

// TestForeignFrames puts whole frames where they were not written.
func TestForeignFrames(t *testing.T) {
	b, frames := sample(t)
	other, _ := sample(t) // another id
	t.Run("of another journal, in the middle", func(t *testing.T) {
		bad := bytes.Clone(b)
		copy(bad[frames[3]:frames[4]], other[frames[3]:frames[4]])
		_, _, err := try(t, bad)
		require.ErrorIs(t, err, journal.ErrDamaged)
	})
	t.Run("of another journal, at the end", func(t *testing.T) {
		recs, cut, err := try(t, append(b[:frames[6]:frames[6]], other[frames[6]:]...))
		require.NoError(t, err)
		require.True(t, equal(sampleRecords[:3], recs))
		require.EqualValues(t, len(b)-frames[6], cut)
	})
	t.Run("more in the middle", func(t *testing.T) {
		_, _, err := try(t, append(b[:frames[6]:frames[6]], b[frames[3]:]...))
		require.ErrorIs(t, err, journal.ErrDamaged)
	})
	t.Run("twice", func(t *testing.T) {
		recs, cut, err := try(t, append(b[:len(b):len(b)], b[frames[8]:]...))
		require.NoError(t, err)
		require.True(t, equal(sampleRecords, recs))
		require.EqualValues(t, len(b)-frames[8], cut)
	})
	t.Run("missing in the middle", func(t *testing.T) {
		for _, n := range []int{1, 8, 13, frames[4] - frames[3]} {
			_, _, err := try(t, append(b[:frames[3]:frames[3]], b[frames[3]+n:]...))
			require.ErrorIs(t, err, journal.ErrDamaged, "%d bytes", n)
		}
	})
	t.Run("zeros in the middle", func(t *testing.T) {
		bad := bytes.Clone(b)
		clear(bad[frames[3]:frames[7]])
		_, _, err := try(t, bad)
		require.ErrorIs(t, err, journal.ErrDamaged)
	})
	t.Run("garbage at the end", func(t *testing.T) {
		recs, cut, err := try(t, append(bytes.Clone(b), bytes.Repeat([]byte{2}, 100_000)...))
		require.NoError(t, err)
		require.True(t, equal(sampleRecords, recs))
		require.EqualValues(t, 100_000, cut)
	})
}

func TestOtherFiles(t *testing.T) {
	b, _ := sample(t)
	binary.LittleEndian.PutUint32(b[8:], 7)
	_, _, err := try(t, b)
	require.ErrorIs(t, err, journal.ErrDamaged, "the version alone was changed")
	newer := func(version uint32) []byte {
		b := bytes.Clone(b)
		binary.LittleEndian.PutUint32(b[8:], version)
		binary.LittleEndian.PutUint32(b[28:], crc32.Checksum(b[8:28], crc32.MakeTable(crc32.Castagnoli)))
		return b
	}
	_, _, err = try(t, newer(7))
	require.ErrorIs(t, err, journal.ErrNewer)
	require.ErrorContains(t, err, "version 7")
	require.ErrorContains(t, err, "up to 1")
	_, _, err = try(t, newer(0))
	require.ErrorIs(t, err, journal.ErrDamaged)
	for _, text := range []string{"x", "some text", "HANDOFFK", "a text that is longer than a prefix of 32 bytes and more than that"} {
		_, _, err = try(t, []byte(text))
		require.ErrorIs(t, err, journal.ErrForeign, text)
		require.ErrorContains(t, err, "not a journal of handoff")
	}
	_, _, err = try(t, nil)
	require.ErrorIs(t, err, journal.ErrDamaged)
}

// FuzzOpen opens any bytes, and bytes over a journal.
func FuzzOpen(f *testing.F) {
	b, frames := sample(f)
	f.Add(b, 0)
	f.Add(b[:frames[6]], 0)
	f.Add([]byte{0xff}, 40)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff}, frames[5])
	f.Add([]byte("HANDOFFJ"), 0)
	f.Fuzz(func(t *testing.T, patch []byte, at int) {
		p := journaltest.NewPowerCut()
		require.NoError(t, p.Mkdir("state", 0o700))
		all := patch
		if at > 0 && at < len(b) {
			all = append(b[:at:at], patch...)
			all = append(all, b[min(len(all), len(b)):]...)
		}
		put(t, p, "state/journal", all)
		j, err := journal.Open("state", &journal.Options{FS: p})
		if err != nil {
			return
		}
		recs, err := records(j)
		require.NoError(t, err)
		if at > 0 && at < len(b) {
			require.True(t, prefixOf(recs, sampleRecords))
		}
		require.NoError(t, j.Append([]byte("more")))
		require.NoError(t, j.Close())
		j, again := open(t, "state", p)
		require.Equal(t, append(recs, "more"), again)
		require.NoError(t, j.Close())
	})
}
