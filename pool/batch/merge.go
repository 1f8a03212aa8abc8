package batch

import (
	"maps"
	"slices"
)

// A merger merges partial results in the order of the rows, whatever the order in
// which chunks are done: those after a gap wait.
type merger struct {
	into    func(i int, partial []byte) error // nil: nothing is to be merged
	next    int64
	waiting map[int64]*commit
}

// add takes the partial results of a chunk.
func (m *merger) add(c *commit) error {
	if m.into == nil {
		return nil
	}
	if c.index != m.next {
		if m.waiting == nil {
			m.waiting = map[int64]*commit{}
		}
		m.waiting[c.index] = c
		return nil
	}
	for ; c != nil; c = m.waiting[m.next] {
		delete(m.waiting, m.next)
		for i, p := range c.partials {
			if err := m.into(i%c.tasks, p); err != nil {
				return err
			}
		}
		m.next++
	}
	return nil
}

// all adds what earlier runs have done.
func (m *merger) all(done map[int64]*commit) error {
	for _, index := range slices.Sorted(maps.Keys(done)) {
		if err := m.add(done[index]); err != nil {
			return err
		}
	}
	return nil
}
