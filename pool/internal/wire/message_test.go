package wire

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

var id = TaskID{Index: 0x01020304, Epoch: 0x05060708}

// samples is each message and record, with the bytes that doc.go draws.
var samples = map[string]struct {
	bytes []byte
	want  string // in hex
}{
	"hello": {
		Hello{Version: 7, PID: 0x10, Build: [16]byte{0xb}, Registry: [16]byte{0xc}, Nonce: [16]byte{0xd}}.Append(nil),
		"01000000 48444f46 07000000 10000000 0b" + zeros(15) + "0c" + zeros(15) + "0d" + zeros(15),
	},
	"announce": {Announce{ID: 0x11, Use: UseOutput, Size: 0x22, Name: "ab"}.Append(nil), "02010000 11000000 2200000000000000 6162"},
	"retire":   {AppendRetire(nil, 0x11), "03000000 11000000"},
	"cancel":   {AppendCancel(nil, id), "0600000000000000 04030201 08070605"},
	"grow":     {AppendGrow(nil, 0x100000), "0800000000000000 0000100000000000"},
	"refuse":   {AppendRefuse(nil, fmt.Errorf("x: %w", shm.ErrFull)), "09010000" + hex.EncodeToString([]byte("x: "+shm.ErrFull.Error()))},
	"shrink":   {AppendShrink(nil, 0x11), "0b000000 11000000"},
	"free": {
		AppendFree(nil, []Allocation{{1, 2, 64}, {3, 4, 128}}),
		"0a00000000000000 01000000 02000000 4000000000000000 03000000 04000000 8000000000000000",
	},
	"task":         {(&Task{Func: 0x0102, ID: id, Attempt: 3}).Append(nil, []byte{0xaa}), "01030201 04030201 08070605 aa"},
	"large task":   {(&Task{Func: 0x0102, ID: id, Attempt: 3, Large: true}).Append(nil, []byte{0xaa}), "81030201 04030201 08070605 aa"},
	"by some time": {(&Task{ID: id, Attempt: 3, Deadline: 0x22}).Append(nil, []byte{0xaa}), "41030000 04030201 08070605 2200000000000000 aa"},
	"range": {
		RangeShare{Func: 0x0102, Attempt: 3, ID: id, Job: 4, Workers: 5, Block: AnyBlock, N: 6, Grain: 7, Lo: 8, Hi: 9}.Append(nil, []byte{0xaa}),
		"03030201 04030201 08070605 04000000 05000000 ffffffff 0600000000000000 0700000000000000 0800000000000000 0900000000000000 aa",
	},
	"large range": {
		RangeShare{Attempt: 3, ID: id, Large: true}.Append(nil, []byte{0xaa}),
		"83030000 04030201 08070605" + zeros(44) + "aa",
	},
	"result":  {append(AppendResult(nil, StatusOK, id), 0xaa), "02000000 04030201 08070605 aa"},
	"failure": {AppendFailure(AppendResult(nil, StatusPanic, id), Failure{"text", []string{"ab", "c"}, "stack"}), "02020000 04030201 08070605 04000000 02 74657874 026162 0163 737461636b"},
	"block":   {append(AppendBlock(nil, id, 9), 0xaa), "04000000 04030201 08070605 09000000 aa"},
	"usage":   {Usage{Start: 1, Wall: 2, CPU: 3, Private: 4}.Append(nil), "0100000000000000 0200000000000000 0300000000000000 0400000000000000"},
}

func zeros(n int) string { return strings.Repeat("00", n) }

func TestLayouts(t *testing.T) {
	for name, s := range samples {
		require.Equal(t, strings.ReplaceAll(s.want, " ", ""), hex.EncodeToString(s.bytes), name)
	}
	result := samples["result"].bytes
	result = bytes.Clone(result)
	SetFreesRead(result, 0x0102)
	SetResultStatus(result, StatusRevoked)
	require.Equal(t, "02050201", hex.EncodeToString(result[:4]))
	require.Equal(t, uint16(0x0102), FreesRead(result))
}

// What was appended is what is read.
func TestRoundTrips(t *testing.T) {
	h, err := ReadHello(samples["hello"].bytes)
	require.NoError(t, err)
	require.Equal(t, Hello{Version: 7, PID: 0x10, Build: [16]byte{0xb}, Registry: [16]byte{0xc}, Nonce: [16]byte{0xd}}, h)
	require.NoError(t, h.Check(h))
	for want, other := range map[string]Hello{
		"version": {Version: 6}, "nonce": {Version: 7}, "replaced": {Version: 7, Nonce: h.Nonce}, "functions": {Version: 7, Nonce: h.Nonce, Build: h.Build},
	} {
		require.ErrorContains(t, h.Check(other), want)
	}
	a, ok := ReadAnnounce(samples["announce"].bytes)
	require.True(t, ok)
	require.Equal(t, Announce{ID: 0x11, Use: UseOutput, Size: 0x22, Name: "ab"}, a)
	for name, want := range map[string]Task{
		"task":       {Func: 0x0102, ID: id, Attempt: 3},
		"large task": {Func: 0x0102, ID: id, Attempt: 3, Large: true}, "by some time": {ID: id, Attempt: 3, Deadline: 0x22},
	} {
		task, args, ok := ReadTask(samples[name].bytes)
		require.True(t, ok)
		require.Equal(t, want, task)
		require.Equal(t, []byte{0xaa}, args)
		require.Len(t, samples[name].bytes, task.Bytes()+1)
	}
	for _, name := range []string{"range", "large range"} {
		share, args, ok := ReadRangeShare(samples[name].bytes)
		require.True(t, ok)
		require.Equal(t, name == "large range", share.Large)
		require.Equal(t, samples[name].bytes, share.Append(nil, args))
	}
	status, got, payload, ok := ReadResult(samples["failure"].bytes)
	require.True(t, ok)
	require.Equal(t, []any{StatusPanic, id, Failure{"text", []string{"ab", "c"}, "stack"}}, []any{status, got, ReadFailure(payload)})
	got, block, isLarge, payload, ok := ReadBlock(samples["block"].bytes)
	require.True(t, ok)
	require.False(t, isLarge)
	require.Equal(t, []any{id, uint32(9), []byte{0xaa}}, []any{got, block, payload})
	why, ok := ReadRefuse(samples["refuse"].bytes)
	require.True(t, ok)
	require.ErrorIs(t, why, shm.ErrFull)
	why, ok = ReadRefuse(AppendRefuse(nil, errors.New("other")))
	require.True(t, ok)
	require.NotErrorIs(t, why, shm.ErrFull)
	start := WorkerStart{Version: Version, Slot: 3, Nonce: [16]byte{1, 15: 255}, SegmentBytes: 1 << 20, Wake: time.Second, Spread: true}
	again, err := ParseWorkerStart(start.String())
	require.NoError(t, err)
	require.Equal(t, start, again)
	require.LessOrEqual(t, len(AppendFree(nil, make([]Allocation, MaxFrees))), MaxMessage)
	require.Greater(t, len(AppendFree(nil, make([]Allocation, MaxFrees+1))), MaxMessage)
}

// What a task costs is not allocated.
func TestRecordsAllocateNothing(t *testing.T) {
	buf, payload := make([]byte, 0, 256), make([]byte, 8)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		task := (&Task{Func: 1, ID: id, Attempt: 1, Deadline: 1}).Append(buf, payload)
		if _, _, ok := ReadTask(task); !ok {
			t.Fatal("no task")
		}
		result := Usage{Wall: 1}.Append(append(AppendResult(buf, StatusOK, id), payload...))
		record, _, _ := CutUsage(result)
		if _, _, _, ok := ReadResult(record); !ok {
			t.Fatal("no result")
		}
	}))
}

// Whatever the other side sends, the readers end with a value or an error.
func FuzzMessages(f *testing.F) {
	for _, s := range samples {
		f.Add(s.bytes)
	}
	f.Add(append(AppendResult(nil, StatusFault, id), "text"...))
	f.Add([]byte(WorkerStart{Version: Version, Slot: 3}.String()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := ReadHello(b); err == nil {
			again, err := ReadHello(h.Append(nil))
			require.NoError(t, err)
			require.Equal(t, h, again)
		}
		if _, _, payload, ok := ReadResult(b); ok {
			require.LessOrEqual(t, len(payload), MaxInline)
			f := ReadFailure(payload)
			require.LessOrEqual(t, len(f.Text)+len(strings.Join(f.Sentinels, ""))+len(f.Stack), 3*len(payload)) // a bad byte becomes three
		}
		if _, _, _, payload, ok := ReadBlock(b); ok {
			require.LessOrEqual(t, len(payload), MaxInline)
		}
		if task, args, ok := ReadTask(b); ok {
			require.Equal(t, b, task.Append(nil, args))
		}
		if share, args, ok := ReadRangeShare(b); ok {
			require.Equal(t, b, share.Append(nil, args))
		}
		ReadAnnounce(b)
		ReadCancel(b)
		ReadRetire(b)
		ReadShrink(b)
		if freed, ok := ReadFree(b); ok {
			require.Equal(t, b[8:], AppendFree(nil, freed)[8:])
		}
		if n, ok := ReadGrow(b); ok {
			require.Equal(t, b[8:], AppendGrow(nil, n)[8:])
		}
		if why, ok := ReadRefuse(b); ok {
			_ = why.Error()
		}
		if w, err := ParseWorkerStart(string(b)); err == nil {
			again, err := ParseWorkerStart(w.String())
			require.NoError(t, err)
			require.Equal(t, w, again)
		}
	})
}
