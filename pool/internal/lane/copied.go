package lane

import "sync/atomic"

// Copied counts the bytes that a worker has copied into side blocks, and out of them, at
// the copies. It outlives the worker.
type Copied struct{ in, out *atomic.Uint64 }

func copiedIn(mem []byte) Copied { return Copied{word64(mem, copiedAt), word64(mem, copiedAt+8)} }

// In counts bytes that were copied into a side block.
func (c Copied) In(bytes int) { c.in.Add(uint64(bytes)) }

// Out counts bytes that were copied out of one.
func (c Copied) Out(bytes int) { c.out.Add(uint64(bytes)) }

// spines is how many bytes of private memory a worker has that lead into shared values, now.
func spines(mem []byte) *atomic.Uint64 { return word64(mem, spinesAt) }

// mostCopied bounds what is believed of a worker: sums of it are to be no overflow.
const mostCopied = 1 << 50

// Load is what was counted. A worker may have stored anything.
func (c Copied) Load() (in, out int64) {
	return int64(min(c.in.Load(), mostCopied)), int64(min(c.out.Load(), mostCopied))
}
