package batch

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"example.com/handoff/pool/journal"
)

// A State describes a job by the journal in its state folder.
type State struct {
	Op     string   // with all parameters
	Inputs []string // absolute
	Out    string   // absolute
	Passes []StatePass
	// Sealed: the output is whole, and may have its name already. Finished: it has.
	Sealed, Finished bool
	Torn             int64 // bytes at the end that nobody was told were durable
}

// A StatePass is a pass of which the journal has something.
type StatePass struct {
	Chunks []int64 // that are done, ascending; one that is there twice was done twice
	Rows   int64   // of them, those that were left out included
	Ended  bool
	Whole  int64 // if Ended: how many chunks the pass has, with indexes from 0
}

// ReadState says how far the job is whose [Job].State is dir. It changes nothing there,
// so it may be called at any time, also while the job runs; other than Run it takes a
// chunk that is there twice. Errors: [journal.ErrNone] if there is no journal, which is
// also so when the job has finished and its state was not kept; those of package
// journal for damage; and those of the file system.
func ReadState(dir string) (*State, error) {
	s, err := readState(dir)
	if errors.Is(err, io.ErrUnexpectedEOF) { // the job has failed to write, and stopped
		s, err = readState(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("batch: the state in %q: %w", dir, err)
	}
	return s, nil
}

func readState(dir string) (*State, error) {
	s, n := &State{}, 0
	torn, err := journal.Read(dir, nil, s.begin, func(rec []byte) error {
		n++
		if err := s.take(rec); err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.Torn = torn
	for _, p := range s.Passes {
		slices.Sort(p.Chunks)
	}
	return s, nil
}

func (s *State) begin(b []byte) error {
	h, err := readHeader(b)
	if err != nil {
		return err
	}
	s.Op, s.Out = h.Op, h.Out
	for _, in := range h.Inputs {
		s.Inputs = append(s.Inputs, in.Path)
	}
	return nil
}

func (s *State) take(rec []byte) error {
	r, err := readRecord(rec)
	if err != nil {
		return err
	}
	switch r := r.(type) {
	case *commit:
		p, err := s.pass(r.pass)
		if err != nil {
			return err
		}
		p.Chunks = append(p.Chunks, r.index)
		p.Rows += r.rows
	case *passRecord:
		p, err := s.pass(r.Pass)
		if err != nil {
			return err
		}
		p.Ended, p.Whole = true, r.Chunks
	case *sealRecord:
		s.Sealed = true
	case *Summary:
		s.Finished = true
	}
	return nil
}

func (s *State) pass(n int) (*StatePass, error) {
	if n < 0 || n >= mostPasses {
		return nil, fmt.Errorf("%w: pass %d", errRecord, n)
	}
	for len(s.Passes) <= n {
		s.Passes = append(s.Passes, StatePass{})
	}
	return &s.Passes[n], nil
}
