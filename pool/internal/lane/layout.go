package lane

import (
	"sync/atomic"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm/ring"
)

// Slots is the size of each of the two rings.
const Slots = 512

// Offsets of the parts of a lane, and its size, in bytes.
const (
	ClaimAt  = ring.DoorbellBytes
	begunAt  = ClaimAt + 8
	copiedAt = begunAt + 24
	spinesAt = copiedAt + 16
	DownAt   = ClaimAt + ring.SlotBytes
)

var (
	UpAt     = DownAt + ring.Size(Slots)
	FlightAt = UpAt + ring.Size(Slots)
	Bytes    = FlightAt + wire.FlightBytes
)

// RecordBytes is the size of a buffer for what comes out of a lane.
const RecordBytes = 16 << 10

// Window is the most tasks in a lane: enough that a worker does not run dry
// while the supervisor is busy with others.
const Window = 256

// MaxRanges is the most ranges under way; ControlBytes the size of the memory that all
// workers share.
const (
	MaxRanges    = 63
	ControlBytes = (1 + MaxRanges) * 64
)

// Counters are the words of a range. control begins at a cache line.
func Counters(control []byte, number uint32) (next, stop *atomic.Uint32) {
	at := int(1+number%MaxRanges) * 64
	return word32(control, at), word32(control, at+4)
}

// What the lower half of a claim says of a worker in a range.
const (
	ClaimNone     = 0
	ClaimChoosing = 1
	ClaimBlock    = 2
)

// SplitClaim is the range of a claim, and what it says of the worker there.
func SplitClaim(claim uint64) (number, what uint32) { return uint32(claim >> 32), uint32(claim) }

// Doorbell is the doorbell at the beginning of mem.
func Doorbell(mem []byte) (*ring.Doorbell, error) { return ring.NewDoorbell(mem[:ring.DoorbellBytes]) }
