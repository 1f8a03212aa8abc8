package shm

import "math/bits"

// starts is where in a slab the blocks in use begin, a bit for every blockAlign
// bytes, so that the block that a byte lies in is found without going through them.
// Leaves are made as blocks come to lie in them: a large array costs one.
type starts struct {
	leaves []*leaf
	used   []uint64 // a bit for each leaf with a block in it
}

// A leaf is a bit for each of 4096 places: 256 KiB of a slab.
type leaf struct {
	used  uint64 // a bit for each word that is not 0
	words [64]uint64
}

const leafPlaces = 64 * 64

func newStarts(bytes int64) *starts {
	n := int((bytes/blockAlign + leafPlaces - 1) / leafPlaces)
	return &starts{make([]*leaf, n), make([]uint64, (n+63)/64)}
}

func (s *starts) set(off int64) {
	at := off / blockAlign
	i, word, bit := int(at/leafPlaces), at/64%64, at%64
	l := s.leaves[i]
	if l == nil {
		l = &leaf{}
		s.leaves[i] = l
	}
	l.words[word] |= 1 << bit
	l.used |= 1 << word
	s.used[i/64] |= 1 << (i % 64)
}

func (s *starts) clear(off int64) {
	at := off / blockAlign
	i, word, bit := int(at/leafPlaces), at/64%64, at%64
	l := s.leaves[i]
	if l.words[word] &^= 1 << bit; l.words[word] != 0 {
		return
	}
	if l.used &^= 1 << word; l.used == 0 {
		s.used[i/64] &^= 1 << (i % 64)
	}
}

// before is the last block that begins at off or before; false if there is none.
func (s *starts) before(off int64) (start int64, ok bool) {
	at := off / blockAlign
	i, word := int(at/leafPlaces), int(at/64%64)
	if l := s.leaves[i]; l != nil {
		if w := upTo(l.words[word], int(at%64)); w != 0 {
			return place(i, word, last(w)), true
		}
		if w := below(l.used, word); w != 0 {
			word = last(w)
			return place(i, word, last(l.words[word])), true
		}
	}
	for w, group := below(s.used[i/64], i%64), i/64; ; w = s.used[group] {
		if w != 0 {
			i = group*64 + last(w)
			word = last(s.leaves[i].used)
			return place(i, word, last(s.leaves[i].words[word])), true
		}
		if group--; group < 0 {
			return 0, false
		}
	}
}

func place(leaf, word, bit int) int64 {
	return (int64(leaf)*leafPlaces + int64(word*64+bit)) * blockAlign
}

func last(w uint64) int              { return bits.Len64(w) - 1 }
func below(w uint64, bit int) uint64 { return w & (1<<bit - 1) }
func upTo(w uint64, bit int) uint64  { return w & (2<<bit - 1) }
