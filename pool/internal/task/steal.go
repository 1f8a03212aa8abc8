package task

// A Load counts what lies in the lane of one worker that may be given tasks.
type Load struct {
	Answers int // that it owes
	Tasks   int // of these, not taken back
	Stuck   bool
}

// Steal is from which lane to take how many tasks, for workers that have none: from the
// one with the most, its share. A worker that runs its only task keeps it unless it has
// not begun it for long. n is 0 if there is nothing to move.
func Steal(loads []Load) (from, n int) {
	idle, most := 0, 0
	for i, l := range loads {
		switch {
		case l.Answers == 0:
			idle++
		case l.Tasks == 0: // stopped, perhaps
		case l.Tasks == 1 && !l.Stuck:
		case l.Tasks > most:
			from, most = i, l.Tasks
		}
	}
	if idle == 0 || most == 0 {
		return 0, 0
	}
	return from, max(most*idle/(idle+1), 1)
}
