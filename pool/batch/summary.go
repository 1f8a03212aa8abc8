package batch

import (
	"time"

	"example.com/handoff/pool"
)

// A Summary counts the work of a job, in the JSON of `handoff run --json`.
type Summary struct {
	Rows         int64                    `json:"rows"`
	Chunks       int64                    `json:"chunks"`        // that the rows came in: of the last pass, as Rows
	Passes       int                      `json:"passes"`        // over the rows: each does all the chunks
	ChunksReused int64                    `json:"chunks_reused"` // of Chunks in each of the Passes, those done by an earlier run of the job
	Workers      []Worker                 `json:"workers"`       // incarnations
	WallS        float64                  `json:"wall_s"`        // seconds, start of the workers included
	BytesByRef   int64                    `json:"bytes_by_ref"`  // of the arrays that tasks were handed
	BytesCopied  int64                    `json:"bytes_copied"`  // of rows, wherever they were copied: see the package's Copies
	Attempts     int64                    `json:"attempts"`      // tasks started, again after a death included
	Deaths       map[pool.ExitClass]int64 `json:"deaths"`
	Respawns     int64                    `json:"respawns"`
	Quarantined  int64                    `json:"quarantined"` // rows
	Unparsed     int64                    `json:"unparsed"`    // lines of CSV
	NoEndMark    []string                 `json:"no_end_mark"` // inputs that are Arrow streams without their end: they may have been cut off
	Width        int                      `json:"width"`       // workers at once
}

// A Worker is one incarnation of a worker.
type Worker struct {
	PID   int   `json:"pid"`
	Tasks int64 `json:"tasks"`
}

// dyingTime bounds the wait until the causes of deaths are known.
const dyingTime = 2 * time.Second

func (e *engine) summary() Summary {
	s := Summary{
		Rows: e.tally.rows, Chunks: e.tally.inPass, Passes: e.tally.pass, ChunksReused: e.tally.reused, WallS: time.Since(e.start).Seconds(),
		Workers: []Worker{}, NoEndMark: []string{}, Deaths: map[pool.ExitClass]int64{}, Quarantined: int64(len(e.tally.quarantined)), Unparsed: int64(e.source.bad.count()),
	}
	for _, i := range e.source.cut {
		s.NoEndMark = append(s.NoEndMark, e.job.Inputs[i])
	}
	if old := e.finished; old != nil {
		s.Rows, s.Chunks, s.Passes, s.Quarantined, s.Unparsed = old.Rows, old.Chunks, old.Passes, old.Quarantined, old.Unparsed
		s.ChunksReused = old.Chunks * int64(max(old.Passes, 1))
		s.NoEndMark = append(s.NoEndMark, old.NoEndMark...)
	}
	if e.pool == nil {
		return s
	}
	st := e.pool.Stats()
	for end := time.Now().Add(dyingTime); st.Dying > 0 && time.Now().Before(end); st = e.pool.Stats() {
		time.Sleep(5 * time.Millisecond)
	}
	s.BytesCopied = st.Memory.BytesCopied + e.copied.Load()
	s.BytesByRef, s.Attempts, s.Deaths, s.Respawns, s.Width = st.Memory.BytesByRef, st.Attempts, st.Deaths, st.Respawns, st.Width
	for _, w := range st.Workers {
		s.Workers = append(s.Workers, Worker{PID: w.PID, Tasks: w.Tasks})
	}
	return s
}
