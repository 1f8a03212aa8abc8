package batch

import "example.com/handoff/pool/journal"

// RunTrial is what the process of a test that is to be killed does.
var RunTrial func(text string) int

// Commits are the chunks of a journal's records, as pass and index.
func Commits(j *journal.Journal) (done [][2]int64, err error) {
	s := &store{journal: j, hashes: map[int][]byte{}}
	if err := s.load(); err != nil {
		return nil, err
	}
	for pass, chunks := range s.chunks {
		for _, c := range chunks {
			done = append(done, [2]int64{int64(pass), c.index})
		}
	}
	return done, nil
}
