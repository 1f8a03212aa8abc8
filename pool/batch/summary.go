package batch

import (
	"time"

	"example.com/handoff/pool"
)

// A Summary says what a job did, in the JSON of `handoff run --json`.
type Summary struct {
	Rows         int64                `json:"rows"`
	Chunks       int64                `json:"chunks"`
	ChunksReused int64                `json:"chunks_reused"` // taken from an earlier run of the job; 0 so far
	Workers      []Worker             `json:"workers"`       // incarnations
	WallS        float64              `json:"wall_s"`        // seconds, start of the workers included
	BytesByRef   int64                `json:"bytes_by_ref"`  // of the arrays that tasks were handed
	BytesCopied  int64                `json:"bytes_copied"`  // of these, copied on the way to a worker
	Attempts     int64                `json:"attempts"`      // tasks started, again after a death included
	Deaths       map[pool.Class]int64 `json:"deaths"`
	Respawns     int64                `json:"respawns"`
	Quarantined  int64                `json:"quarantined"` // rows
	Width        int                  `json:"width"`       // workers at once
}

// A Worker is one incarnation of a worker.
type Worker struct {
	PID   int   `json:"pid"`
	Tasks int64 `json:"tasks"`
}

func (e *engine) summary(wall time.Duration) Summary {
	st := e.pool.Stats()
	s := Summary{
		Rows: e.rows, Chunks: e.chunks, WallS: wall.Seconds(),
		BytesByRef: st.BytesByRef, Attempts: st.Attempts, Deaths: st.Deaths, Respawns: st.Respawns,
		Workers: []Worker{}, Width: st.Width, Quarantined: int64(len(e.left)),
	}
	for _, w := range st.Workers {
		s.Workers = append(s.Workers, Worker{PID: w.PID, Tasks: w.Tasks})
	}
	return s
}
