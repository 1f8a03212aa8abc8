package journal

import (
	"fmt"
	"math"
)

// A scanner goes through the frames of a file.
type scanner struct {
	window
	prefix prefix

	at     int64  // of the next frame
	number uint64 // that a record there has
	base   int64  // that it has
}

// next reads the frame at s.at and steps over it. Bad says why there is none: the
// file ends, or holds other bytes. A whole frame in the wrong place is damage at once,
// since no torn write can have made it.
func (s *scanner) next() (f frame, payload []byte, bad string, err error) {
	left := s.size - s.at
	if left < frameBytes {
		return f, nil, fmt.Sprintf("%d bytes are not the head of a record", left), nil
	}
	b, err := s.read(s.at, frameBytes)
	if err != nil {
		return f, nil, "", err
	}
	f, ok := s.prefix.parseFrame(b, s.at)
	if !ok {
		return f, nil, "the head of the record has a wrong checksum", nil
	}
	if err := s.place(f); err != nil {
		return f, nil, "", err
	}
	if f.padded() > left-frameBytes {
		return f, nil, fmt.Sprintf("a record of %d bytes is cut off by the end of the file", f.length), nil
	}
	b, err = s.read(s.at+frameBytes, int(f.padded()))
	if err != nil {
		return f, nil, "", err
	}
	if !f.bodyOK(b) {
		return f, nil, "the record has a wrong checksum", nil
	}
	switch f.kind {
	case kindSeal:
		s.base = s.at
	default:
		s.number++
	}
	s.at += frameBytes + f.padded()
	return f, b[:f.length:f.length], "", nil
}

// place checks that f is what belongs at s.at.
func (s *scanner) place(f frame) error {
	header := s.at == prefixBytes
	base := s.base
	if f.kind == kindSeal {
		base = s.at
	}
	switch {
	case header != (f.kind == kindHeader), f.kind == kindSeal && f.length != 0:
		return s.damage(fmt.Sprintf("a frame of kind %d and %d bytes has no place here", f.kind, f.length))
	case f.number != s.number:
		return s.damage(fmt.Sprintf("it has the number %d", f.number))
	case f.base != uint64(base):
		return s.damage(fmt.Sprintf("it has the base %d instead of %d", f.base, base))
	}
	return nil
}

func (s *scanner) damage(reason string) error {
	return &DamageError{Path: s.path, Record: int(min(s.number, math.MaxInt)), Offset: s.at, Reason: reason}
}

// open reads prefix, header and the first seal, which were there when the journal was
// born: without them whole it is not ours, or damaged.
func (s *scanner) open() (header []byte, err error) {
	b, err := s.read(0, int(min(s.size, prefixBytes)))
	if err != nil {
		return nil, err
	}
	if n := min(len(b), len(magic)); len(b) < prefixBytes {
		if string(b[:n]) != magic[:n] {
			return nil, ErrForeign
		}
		return nil, s.damage(fmt.Sprintf("the file has only %d bytes", len(b)))
	}
	p, named, whole := parsePrefix(b)
	switch {
	case !named && !whole:
		return nil, ErrForeign
	case !named:
		return nil, s.damage("the magic is wrong")
	case !whole:
		return nil, s.damage("the beginning of the file has a wrong checksum")
	case p.version > version:
		return nil, fmt.Errorf("%w: its format has version %d, this program knows versions up to %d: open it with the program that wrote it", ErrNewer, p.version, version)
	case p.version < version || p.flags&^flagMade != 0:
		return nil, s.damage(fmt.Sprintf("there is no version %d with flags %#x", p.version, p.flags))
	}
	s.prefix, s.at = p, prefixBytes
	_, payload, bad, err := s.next()
	if err != nil || bad != "" {
		return nil, s.orDamage(err, bad)
	}
	header = append([]byte{}, payload...)
	f, _, bad, err := s.next()
	if err != nil || bad != "" {
		return nil, s.orDamage(err, bad)
	}
	if f.kind != kindSeal {
		return nil, s.damage("the header has no seal")
	}
	return header, nil
}

func (s *scanner) orDamage(err error, bad string) error {
	if err != nil {
		return err
	}
	return s.damage(bad)
}

// An extent says what a scan has found behind the first seal.
type extent struct {
	first  int64 // offset of the frame after the first seal
	sealed int64 // up to here the file was durable, with the last seal
	end    int64 // up to here it has whole frames
}

// all goes through the frames up to the end, or to a torn tail.
func (s *scanner) all() (x extent, err error) {
	x = extent{first: s.at, sealed: s.at, end: s.at}
	for s.at < s.size {
		f, _, bad, err := s.next()
		if err != nil {
			return x, err
		}
		if bad != "" {
			return x, s.torn(bad)
		}
		if x.end = s.at; f.kind == kindSeal {
			x.sealed = s.at
		}
	}
	return x, nil
}

// torn returns nil if what begins at s.at can be what a write has left behind that
// nobody was told had succeeded: if no frame after it says otherwise.
func (s *scanner) torn(bad string) error {
	if s.size-s.at > tornBytes {
		return s.damage(fmt.Sprintf("%s, and %d bytes follow, more than a write can have left", bad, s.size-s.at))
	}
	for at := s.at + 1; at+frameBytes <= s.size; at++ { // at any place, should bytes be missing
		b, err := s.read(at, frameBytes)
		if err != nil {
			return err
		}
		f, ok := s.prefix.parseFrame(b, at)
		if f.kind == kindSeal && f.base <= math.MaxInt64 { // it says where it was written
			f, ok = s.prefix.parseFrame(b, int64(f.base))
		}
		if ok && f.base > uint64(s.at) {
			return s.damage(fmt.Sprintf("%s, but a later one at offset %d says that this one was durable", bad, at))
		}
	}
	return nil
}
