package wire

import (
	"fmt"
	"strings"
)

// A Status tells a result from the kinds of failure.
type Status byte

const (
	StatusOK        Status = 0 // the payload is the encoded result
	StatusError     Status = 1 // the function returned an error
	StatusPanic     Status = 2
	StatusGoexit    Status = 3 // it called runtime.Goexit
	StatusFault     Status = 4 // it touched memory of an argument that it must not, or cannot
	StatusRevoked   Status = 5 // the task was taken back before it was started
	StatusResources Status = 6 // the worker lacks descriptors, mappings or memory, and runs no more tasks
	StatusLarge     Status = 7 // as StatusOK, but the payload is the ref of a side block that has the result
)

// A Failure is why a task has no result.
type Failure struct {
	Text      string
	Sentinels []string // the names of registered errors that the error is or wraps
	Stack     string
}

const (
	// MaxSentinelName bounds the name of a registered error, in bytes.
	MaxSentinelName = 255
	// maxSentinelBytes bounds those of one failure.
	maxSentinelBytes = 1024

	failureBytes = 4 + 1
)

// AppendFailure appends as much of a failure as fits into MaxInline bytes, and says how much
// of the text is left out.
func AppendFailure(b []byte, f Failure) []byte {
	const more = " … (%d bytes more)"
	names, count := appendSentinels(nil, f.Sentinels)
	most := MaxInline - failureBytes - len(names)
	room, text := most, f.Text
	if f.Stack != "" {
		room = most / 2
	}
	if len(text) > room {
		kept := room - len(more) - 20
		text = text[:kept] + fmt.Sprintf(more, len(text)-kept)
	}
	b = append(le.AppendUint32(b, uint32(len(text))), count)
	b = append(append(b, text...), names...)
	return append(b, f.Stack[:min(len(f.Stack), most-len(text))]...)
}

func appendSentinels(b []byte, names []string) (_ []byte, count byte) {
	for _, name := range names {
		if len(name) <= MaxSentinelName && len(b)+1+len(name) <= maxSentinelBytes && count < 255 {
			b = append(append(b, byte(len(name))), name...)
			count++
		}
	}
	return b, count
}

// ReadFailure reads as much of a failure as there is; text and stack are valid UTF-8.
func ReadFailure(b []byte) (f Failure) {
	if len(b) < failureBytes {
		return f
	}
	n, count := min(uint64(le.Uint32(b)), uint64(len(b)-failureBytes)), b[4]
	b = b[failureBytes:]
	f.Text, b = strings.ToValidUTF8(string(b[:n]), "\uFFFD"), b[n:]
	for ; count > 0 && len(b) > 0 && int(b[0]) < len(b); count-- {
		f.Sentinels = append(f.Sentinels, string(b[1:1+int(b[0])]))
		b = b[1+int(b[0]):]
	}
	f.Stack = strings.ToValidUTF8(string(b), "\uFFFD")
	return f
}
