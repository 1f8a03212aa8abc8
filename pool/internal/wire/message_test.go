package wire

import (
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

// Whatever a worker sends, the supervisor's readers end with a value or an error.
func FuzzMessages(f *testing.F) {
	f.Add(Hello{}.Append(nil))
	f.Add(AppendFailure(AppendResult(nil, StatusPanic, TaskID{1, 2}), "text", "stack"))
	f.Add(append(AppendResult(nil, StatusFault, TaskID{1, 2}), "text"...))
	f.Add(AppendTask(nil, 1, TaskID{1, 2}, 1, []byte("args")))
	f.Add(Announce{ID: 1, Use: UseResult, Size: 9, Name: "x"}.Append(nil))
	f.Add(AppendGrow(nil, 1<<20))
	f.Add(AppendRefuse(nil, shm.ErrFull))
	f.Add(AppendFree(nil, []Allocation{{1, 2, 64}, {1, 2, 64}}))
	f.Add([]byte(WorkerStart{Version: Version, Slot: 3}.String()))
	f.Fuzz(func(t *testing.T, b []byte) {
		if h, err := ReadHello(b); err == nil {
			require.Equal(t, h, mustHello(t, h.Append(nil)))
		}
		if status, id, payload, ok := ReadResult(b); ok {
			require.LessOrEqual(t, len(payload), MaxInline)
			_, _, _ = status, id, payload
			ReadFailure(payload)
		}
		ReadTask(b)
		ReadAnnounce(b)
		if blocks, ok := ReadFree(b); ok {
			require.Equal(t, b[8:], AppendFree(nil, blocks)[8:])
		}
		if bytes, ok := ReadGrow(b); ok {
			require.Equal(t, b[8:], AppendGrow(nil, bytes)[8:])
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

func mustHello(t *testing.T, b []byte) Hello {
	h, err := ReadHello(b)
	require.NoError(t, err)
	return h
}
