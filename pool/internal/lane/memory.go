package lane

import (
	"os"

	"example.com/handoff/shm"
	"example.com/handoff/shm/ring"
)

// Memory is a memfd and its mapping, or memory of this process. Its owner ends it.
type Memory struct {
	Bytes []byte // until End
	array shm.Array[byte]
	seg   *shm.Segment
}

// NewMemory makes zeroed memory for a process that gets its descriptor.
func NewMemory(run *shm.Run, bytes int) (m Memory, err error) {
	if m.seg, err = run.CreateAnonymous(int64(bytes), shm.ReadWrite); err != nil {
		return m, err
	}
	return MapMemory(m.seg, bytes)
}

// LocalMemory makes zeroed memory for goroutines. It begins at a cache line.
func LocalMemory(n int) Memory {
	mem := make([]byte, n+ring.SlotBytes)
	at := ring.SlotBytes - int(address(mem)%ring.SlotBytes)
	return Memory{Bytes: mem[at : at+n : at+n]}
}

// MapMemory is the memory of a segment, which is closed if that fails.
func MapMemory(seg *shm.Segment, bytes int) (m Memory, err error) {
	m.seg = seg
	shape, err := shm.ShapeOf(bytes)
	if err == nil {
		m.array, err = shm.BindArray[byte](seg, shm.Ref{Segment: seg.Name(), DType: shm.Uint8, Shape: shape})
	}
	if err != nil {
		seg.Close()
		return m, err
	}
	m.Bytes = m.array.Data()
	return m, nil
}

// File is the memfd, for a worker process to inherit. It belongs to the memory.
func (m Memory) File() *os.File { return m.seg.File() }

// End unmaps it. Nothing may use Bytes any more.
func (m Memory) End() error {
	if m.seg == nil {
		return nil
	}
	m.array.Release()
	return m.seg.Close()
}
