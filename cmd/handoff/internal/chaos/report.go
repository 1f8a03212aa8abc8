package chaos

import "fmt"

const (
	Good = "good"
	Bad  = "bad"
)

// A Report holds the findings of a test. Its JSON is that of `handoff chaos --json`.
type Report struct {
	Verdict     string        `json:"verdict"` // good or bad
	Problems    []string      `json:"problems"`
	Seed        uint64        `json:"seed"`
	EveryS      float64       `json:"every_s"`
	Undisturbed Round         `json:"undisturbed"`
	Rounds      []Round       `json:"rounds"`
	Faults      map[Fault]int `json:"faults"`     // of all rounds
	Resumes     int           `json:"resumes"`    // of all rounds
	GaveUp      int           `json:"gave_up"`    // of these, after a run that failed since its workers were hit
	Lost        int64         `json:"lost"`       // chunks
	Duplicated  int64         `json:"duplicated"` // chunks that were committed twice
	Redone      int64         `json:"redone"`     // chunks that were committed and run again
	SameBytes   bool          `json:"same_bytes"`
	Residue     []string      `json:"residue"`  // what the runs have left
	Swept       int           `json:"swept"`    // segments of killed runs that it took a `handoff shm gc` to remove
	Evidence    string        `json:"evidence"` // the folder with the outputs of a bad test; empty
	Repeat      string        `json:"repeat"`   // the command line
}

// A Round is one job from its beginning to its end.
type Round struct {
	Faults   map[Fault]int `json:"faults"`
	Runs     int           `json:"runs"`
	GaveUp   int           `json:"gave_up"`       // of these, those that failed since their workers were hit
	Chunks   int64         `json:"chunks"`        // in each of the passes, as the journal has them
	Reused   int64         `json:"chunks_reused"` // by the last run
	Attempts int64         `json:"attempts"`      // of tasks, of all runs
	WallS    float64       `json:"wall_s"`
	Same     bool          `json:"same_bytes"`
}

func (r *Report) problem(round int, format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf("round %d: ", round)+fmt.Sprintf(format, args...))
}

// Judge adds the rounds up.
func (r *Report) Judge(faults []Fault) {
	r.Faults = map[Fault]int{}
	for _, f := range faults {
		r.Faults[f] = 0
	}
	r.SameBytes = true
	for _, round := range r.Rounds {
		for f, n := range round.Faults {
			r.Faults[f] += n
		}
		r.Resumes += max(round.Runs-1, 0)
		r.GaveUp += round.GaveUp
		r.SameBytes = r.SameBytes && round.Same
	}
	if r.Dealt() == 0 && len(r.Problems) == 0 {
		r.Problems = append(r.Problems, "no fault has hit the job, so nothing was tested: it is too short; take a larger input, more --rounds or a shorter --every")
	}
	r.Verdict = Good
	if len(r.Problems) > 0 {
		r.Verdict = Bad
	}
}

// Dealt counts the faults of all kinds.
func (r *Report) Dealt() (n int) {
	for _, k := range r.Faults {
		n += k
	}
	return n
}
