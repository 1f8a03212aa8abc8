package journal

import "sync"

// pending is the records that were appended and are not written to the file yet.
type pending struct {
	// mu guards what follows. It is not held while a call to the file runs: Append goes
	// on during a Sync.
	mu     sync.Mutex
	buf    []byte // frames to be written
	spare  []byte
	at     int64  // where buf goes
	number uint64 // of the next record
	base   int64  // of the next record
	group  bool   // something was appended since the last Sync
	err    error  // why the journal has stopped
	closed bool
}

// begin sets where the first group goes: behind a seal that ends at an offset.
func (p *pending) begin(at int64, number uint64) {
	p.at, p.number, p.base = at, number, at-frameBytes
}

// add adds a record. flush: the frames are to be written, sync: the group is to be synced.
func (p *pending) add(prefix prefix, rec []byte) (flush, sync bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.usableLocked(); err != nil {
		return false, false, err
	}
	p.buf = prefix.appendFrame(p.buf, p.at+int64(len(p.buf)), kindRecord, p.number, p.base, rec)
	p.number++
	p.group = true
	return len(p.buf) >= flushBytes, p.at+int64(len(p.buf))-p.base >= groupBytes, nil
}

// take takes the frames out and returns where they go.
func (p *pending) take() (b []byte, at int64, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.usableLocked(); err != nil {
		return nil, 0, err
	}
	b, at = p.takeLocked()
	return b, at, nil
}

// takeGroup takes the frames out and ends their group, with room for a seal after them.
// number is that of the next record. ok: something was appended since the last Sync.
func (p *pending) takeGroup() (b []byte, at int64, number uint64, ok bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.usableLocked(); err != nil || !p.group {
		return nil, 0, 0, false, err
	}
	b, at = p.takeLocked()
	p.base, p.group = p.at, false
	p.at += frameBytes // what is appended from here on is written after the seal
	return b, at, p.number, true, nil
}

func (p *pending) takeLocked() (b []byte, at int64) {
	b, at = p.buf, p.at
	p.buf, p.spare = p.spare[:0], nil
	p.at += int64(len(b))
	return b, at
}

// recycle gives the memory of frames back that were written.
func (p *pending) recycle(b []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if cap(b) > cap(p.spare) && cap(b) <= 2*flushBytes {
		p.spare = b[:0]
	}
}

func (p *pending) stop(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = err
	p.buf, p.spare = nil, nil
}

// close returns the error that has stopped the journal, or ErrClosed.
func (p *pending) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	err := p.usableLocked()
	p.closed = true
	p.buf, p.spare = nil, nil
	return err
}

func (p *pending) usableLocked() error {
	if p.closed {
		return ErrClosed
	}
	return p.err
}
