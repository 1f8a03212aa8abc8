package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"example.com/handoff/pool/journal"
)

// A store is a job's journal, and what earlier runs wrote in it. The nil store keeps
// nothing.
type store struct {
	journal *journal.Journal
	header  header
	fresh   bool // it was made by this run

	chunks []map[int64]*commit // by pass and index
	passes []*passRecord       // nil for one that has not ended
	hashes map[int][]byte      // by input
	bad    []badLine
	seal   *sealRecord
	summed *Summary // of a job that is done
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
func (s *store) load() error {
	d := json.NewDecoder(bytes.NewReader(s.journal.Header()))
	s.header = header{}
	if err := d.Decode(&s.header); err != nil {
		return fmt.Errorf("%w: header: %w", errRecord, err)
	}
	if s.header.Version != headerVersion {
		return fmt.Errorf("the journal is of version %d, expected %d: use the program that began the job", s.header.Version, headerVersion)
	}
	n := 0
	for rec, err := range s.journal.Records() {
		if err != nil {
			return err
		}
		n++
		if err := s.take(rec); err != nil {
			return fmt.Errorf("record %d: %w", n, err)
		}
	}
	return nil
}

func (s *store) take(rec []byte) (err error) {
	if len(rec) == 0 {
		return errRecord
	}
	switch letter, b := rec[0], rec[1:]; letter {
	case recordCommit:
		c, err := readCommit(bytes.Clone(b))
		if err != nil {
			return err
		}
		for len(s.chunks) <= c.pass && c.pass < mostPasses {
			s.chunks = append(s.chunks, map[int64]*commit{})
		}
		if c.pass >= mostPasses || s.chunks[c.pass][c.index] != nil || c.input >= len(s.header.Inputs) {
			return fmt.Errorf("%w: chunk %d of pass %d, again or impossible", errRecord, c.index, c.pass)
		}
		s.chunks[c.pass][c.index] = c
	case recordHash:
		var h hashRecord
		if err = json.Unmarshal(b, &h); err == nil {
			s.hashes[h.Input] = h.SHA256
		}
	case recordBad:
		var l badLine
		if err = json.Unmarshal(b, &l); err == nil {
			if l.Input < 0 || l.Input >= len(s.header.Inputs) {
				return fmt.Errorf("%w: a line of input %d", errRecord, l.Input)
			}
			s.bad = append(s.bad, l)
		}
	case recordPass:
		var p passRecord
		if err = json.Unmarshal(b, &p); err == nil {
			if p.Pass != len(s.passes) || p.Pass >= mostPasses {
				return fmt.Errorf("%w: the end of pass %d", errRecord, p.Pass)
			}
			for _, i := range p.Cut {
				if i < 0 || i >= len(s.header.Inputs) {
					return fmt.Errorf("%w: input %d of %d", errRecord, i, len(s.header.Inputs))
				}
			}
			s.passes = append(s.passes, &p)
		}
	case recordSeal:
		err = json.Unmarshal(b, &s.seal)
	case recordDone:
		err = json.Unmarshal(b, &s.summed)
	default:
		err = fmt.Errorf("%w: kind %q", errRecord, letter)
	}
	return err
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

// note writes a record that has to be durable before what follows it.
func (s *store) note(letter byte, v any) error {
	if s == nil {
		return nil
	}
	rec, err := jsonRecord(letter, v)
	if err == nil {
		err = s.journal.Append(rec)
	}
	if err == nil {
		err = s.journal.Sync()
	}
	return err
}
