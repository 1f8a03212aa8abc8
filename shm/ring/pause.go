//go:build amd64 || arm64

package ring

// pause tells the processor n times (> 0) that this is a loop that waits: it
// saves power and leaves the core's other thread more of it.
//
//go:noescape
func pause(n uint32)
