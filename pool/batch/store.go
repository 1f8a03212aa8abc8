package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"example.com/handoff/pool/journal"
)

// A store is a job's journal, and what earlier runs wrote in it. The nil store keeps
// nothing.
type store struct {
	journal *journal.Journal
	header  header
	fresh   bool // it was made by this run

	chunks   []map[int64]*commit // by pass and index
	passes   []*passRecord       // nil for one that has not ended
	hashes   map[int][]byte      // by input
	bad      []badLine
	seal     *sealRecord
	finished *Summary // of a job that is done
}

// openStore makes the journal of a new job or, to resume, opens that of an old one.
// fromStart: there was none.
func openStore(j *Job, h header) (s *store, fromStart bool, err error) {
	opts := &journal.Options{FS: j.FS}
	s = &store{header: h, hashes: map[int][]byte{}}
	if j.Resume {
		s.journal, err = journal.Open(j.State, opts)
		if err == nil {
			if err = s.load(); err != nil {
				return nil, false, errors.Join(err, s.journal.Close())
			}
			return s, false, nil
		}
		if !errors.Is(err, journal.ErrNone) {
			return nil, false, err
		}
		fromStart = true
	}
	b, err := json.Marshal(h)
	if err != nil {
		return nil, false, err
	}
	s.journal, err = journal.Create(j.State, b, opts)
	s.fresh = true
	if errors.Is(err, journal.ErrExists) {
		err = fmt.Errorf("%s: %w: resume that job, or remove the folder", j.State, journal.ErrExists)
	}
	return s, fromStart, err
}

// load reads an earlier run's records.
func (s *store) load() (err error) {
	if s.header, err = readHeader(s.journal.Header()); err != nil {
		return err
	}
	n := 0
	for rec, err := range s.journal.Records() {
		if err != nil {
			return err
		}
		n++
		if err := s.take(bytes.Clone(rec)); err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
	}
	return nil
}

// take takes a record over, and the memory of rec.
func (s *store) take(rec []byte) error {
	r, err := readRecord(rec)
	if err != nil {
		return err
	}
	noInput := func(i int) bool { return i < 0 || i >= len(s.header.Inputs) }
	switch r := r.(type) {
	case *commit:
		for len(s.chunks) <= r.pass && r.pass < mostPasses {
			s.chunks = append(s.chunks, map[int64]*commit{})
		}
		if r.pass >= mostPasses || s.chunks[r.pass][r.index] != nil || noInput(r.input) {
			return fmt.Errorf("%w: chunk %d of pass %d, again or impossible", errRecord, r.index, r.pass)
		}
		s.chunks[r.pass][r.index] = r
	case *hashRecord:
		s.hashes[r.Input] = r.SHA256
	case *badLine:
		if noInput(r.Input) {
			return fmt.Errorf("%w: a line of input %d", errRecord, r.Input)
		}
		s.bad = append(s.bad, *r)
	case *passRecord:
		if r.Pass != len(s.passes) || r.Pass >= mostPasses {
			return fmt.Errorf("%w: the end of pass %d", errRecord, r.Pass)
		}
		if i := slices.IndexFunc(r.Cut, noInput); i >= 0 {
			return fmt.Errorf("%w: input %d of %d", errRecord, r.Cut[i], len(s.header.Inputs))
		}
		s.passes = append(s.passes, r)
	case *sealRecord:
		s.seal = r
	case *Summary:
		s.finished = r
	}
	return nil
}

// mostPasses bounds what a record can make of memory.
const mostPasses = 64

func (s *store) done(pass int) map[int64]*commit {
	if s == nil || pass >= len(s.chunks) {
		return nil
	}
	return s.chunks[pass]
}

func (s *store) ended(pass int) *passRecord {
	if s == nil || pass >= len(s.passes) {
		return nil
	}
	return s.passes[pass]
}

// append writes a record that the next sync makes durable.
func (s *store) append(letter byte, v any) error {
	rec, err := jsonRecord(letter, v)
	if err != nil {
		return err
	}
	return s.journal.Append(rec)
}

// note writes a record that has to be durable before what follows it.
func (s *store) note(letter byte, v any) error {
	if s == nil {
		return nil
	}
	if err := s.append(letter, v); err != nil {
		return err
	}
	return s.journal.Sync()
}
