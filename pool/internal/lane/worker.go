package lane

import (
	"sync/atomic"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm/ring"
)

// A Worker is the worker's side of a lane.
type Worker struct {
	Doorbell, Supervisor *ring.Doorbell
	Down                 *ring.Consumer
	Up                   *ring.Producer
	Claim                *atomic.Uint64
	Begun                Begun
	Copied               Copied
	Spines               *atomic.Uint64 // bytes, as they are mapped and unmapped
	Control              []byte
	Flight               *wire.FlightRecorder
}

// NewWorker is the worker's side of the lane in mem. mem and control stay the caller's,
// and must be there for as long as the Worker is used.
func NewWorker(mem, control []byte, doorbell, supervisor *ring.Doorbell) (w Worker, err error) {
	w.Doorbell, w.Supervisor, w.Control, w.Claim = doorbell, supervisor, control, word64(mem, ClaimAt)
	w.Begun, w.Copied, w.Spines = begunIn(mem), copiedIn(mem), spines(mem)
	w.Flight = wire.NewFlightRecorder(mem[FlightAt:Bytes])
	if w.Down, err = ring.NewConsumer(mem[DownAt:UpAt]); err == nil {
		w.Up, err = ring.NewProducer(mem[UpAt:FlightAt])
	}
	return w, err
}
