package journal

import "iter"

// Records yields the records that were there at Open, in the order in which they were
// appended; the first has the number 1. They are read from the file again, one at a
// time: a record is valid until the next is asked for. A record whose error is not
// nil is the last and has no bytes: the file could not be read (after Close or
// Remove: fs.ErrClosed), or has changed since Open (*DamageError).
//
// It may be used more than once, and while records are appended.
func (j *Journal) Records() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		s := &scanner{
			window: window{f: j.file, path: j.path(), size: j.found.extent.end},
			prefix: j.prefix, at: j.found.extent.first, number: 1, base: j.found.extent.first - frameBytes,
		}
		for s.at < s.size {
			f, rec, bad, err := s.next()
			switch {
			case err != nil || bad != "":
				yield(nil, j.wrap("read", s.orDamage(err, bad)))
				return
			case f.kind == kindRecord && !yield(rec, nil):
				return
			}
		}
	}
}
