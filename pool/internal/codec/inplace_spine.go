package codec

import (
	"fmt"
	"sync/atomic"

	"example.com/handoff/pool/internal/wire"
)

// A Held counts the bytes of spines that there are.
type Held = atomic.Uint64

// A spine is memory for what leads to memory outside of the Go heap alone: the garbage
// collector does not look into it. Nobody can store to it when it is sealed.
type spine struct {
	chunks [][]byte
	used   int // of the last
	bytes  int64
	held   *Held // nil: nobody counts
}

const (
	spineAlign = 8
	minSpine   = 64 << 10
)

// take is n bytes, all zero.
func (s *spine) take(n int) ([]byte, error) {
	asked := n
	if n = (n + spineAlign - 1) &^ (spineAlign - 1); n < asked {
		return nil, wire.ErrMalformed
	}
	if len(s.chunks) == 0 || n > len(s.chunks[len(s.chunks)-1])-s.used {
		size := max(minSpine, int(min(s.bytes, 16<<20)), (n+minSpine-1)&^(minSpine-1))
		mem, err := mapSpine(size)
		if err != nil {
			return nil, fmt.Errorf("pool: %d bytes to read a shared value: %w", size, err)
		}
		s.chunks, s.used, s.bytes = append(s.chunks, mem), 0, s.bytes+int64(size)
		if s.held != nil {
			s.held.Add(uint64(size))
		}
	}
	b := s.chunks[len(s.chunks)-1][s.used : s.used+asked : s.used+asked]
	s.used += n
	return b, nil
}

func (s *spine) seal() error {
	for _, mem := range s.chunks {
		if err := protectSpine(mem); err != nil {
			return fmt.Errorf("pool: protect what a shared value leads to: %w", err)
		}
	}
	return nil
}

// free ends it. Where it poisons, addresses stay unusable.
func (s *spine) free(poison bool) {
	for _, mem := range s.chunks {
		unmap(mem, poison)
	}
	if s.held != nil {
		s.held.Add(-uint64(s.bytes))
	}
	s.chunks, s.used, s.bytes = nil, 0, 0
}
