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
	StatusFull      Status = 5 // as StatusError, and the error wraps shm.ErrFull
	StatusRevoked   Status = 6 // the task was taken back before it was started
	StatusResources Status = 7 // the worker lacks descriptors, mappings or memory, and runs no more tasks
	StatusLarge     Status = 8 // as StatusOK, but the payload is the ref of a side block that has the result
)

const failureBytes = 4

// AppendFailure appends as much of both as fits into MaxInline bytes, and says how much
// of the text is left out.
func AppendFailure(b []byte, text, stack string) []byte {
	const most, more = MaxInline - failureBytes, " … (%d bytes more)"
	room := most
	if stack != "" {
		room = most / 2
	}
	if len(text) > room {
		kept := room - len(more) - 20
		text = text[:kept] + fmt.Sprintf(more, len(text)-kept)
	}
	b = le.AppendUint32(b, uint32(len(text)))
	b = append(b, text...)
	return append(b, stack[:min(len(stack), most-len(text))]...)
}

// ReadFailure reads as much of a failure as there is, as valid UTF-8.
func ReadFailure(b []byte) (text, stack string) {
	if len(b) < failureBytes {
		return "", ""
	}
	n := min(uint64(le.Uint32(b)), uint64(len(b)-failureBytes))
	b = b[failureBytes:]
	return strings.ToValidUTF8(string(b[:n]), "\uFFFD"), strings.ToValidUTF8(string(b[n:]), "\uFFFD")
}
