package pool

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"example.com/handoff/pool/internal/codec"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// putLarge puts arguments that are too long for a record into a side block of Pool.Arena,
// pinned as a View is. Where there is no room nothing is written, and the error wraps
// shm.ErrFull. After an error the caller releases the pins.
func (p *Pool) putLarge(a *arguments, l *codec.Large, ref codec.RefFunc) error {
	block, err := shm.MakeUnzeroed[byte](p.segments.inputs, int(l.Bytes()))
	if err != nil {
		if errors.Is(err, shm.ErrTooLarge) {
			err = fmt.Errorf("%w: %w", ErrTooLarge, err)
		}
		return fmt.Errorf("arguments of %d bytes: %w", l.Bytes(), err)
	}
	defer block.Release()
	v := block.View()
	w, err := p.wire(a, "arguments", &v)
	if err != nil {
		return err
	}
	if err := recovered(func() error { return v.Guarded(func(mem []byte) error { return l.Write(mem, ref) }) }); err != nil {
		return err
	}
	p.large.copiedIn.Add(l.Bytes())
	a.bytes, a.large, a.valueBytes = w.Append(a.bytes[:0]), true, l.Bytes()
	return nil
}

// recovered makes an error of a panic, of a value's methods or of a fault.
func recovered(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %.1000v", v)
		}
	}()
	return f()
}

// largeResults are the results by value that lie in side blocks, and what this process
// has copied into and out of such blocks. mu may be taken with any other lock held.
type largeResults struct {
	copiedIn, copiedOut atomic.Int64
	spines              codec.Held // of shared values, in this process

	mu   sync.Mutex // guards live
	live map[*largeResult]struct{}
}

// A largeResult is one that is too long for a record. It stays in the side block where its
// worker has put it until somebody decodes it, or until the arena that it is in is short:
// then it is copied to private memory.
type largeResult struct {
	of    *resultSegments
	all   *largeResults
	bytes int64

	// mu guards what follows, and is held while the block is read. It is never taken with
	// Pool.mu held: to release the block may take that.
	mu      sync.Mutex
	block   shm.OwnedView[byte]
	inBlock bool
	private []byte
	err     error // it was lost when it was copied
}

// bindLarge takes hold of the side block whose wire ref a worker has sent. The error is
// what the worker did wrong.
func (r *resultSegments) bindLarge(all *largeResults, payload []byte) (*largeResult, error) {
	w, rest, err := shm.ReadWireRef(payload)
	if err != nil || len(rest) > 0 || w.ID == 0 {
		return nil, wire.ErrMalformed
	}
	l := &largeResult{of: r, all: all, bytes: w.Ref.Bytes(), inBlock: true}
	seg, err := r.segmentOf("result", &l.block, &w)
	if err != nil {
		return nil, err
	}
	if err := shm.BindTo(&l.block, seg, w.Ref, func() { r.free(w) }); err != nil {
		return nil, err
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	if all.live == nil {
		all.live = map[*largeResult]struct{}{}
	}
	all.live[l] = struct{}{}
	return l, nil
}

// bindInBlock is bind for a result in a side block: Views in it are bound now, and
// otherwise it is decoded by who waits for it.
func (r *resultSegments) bindInBlock(all *largeResults, e *entry, payload []byte) (got boundResult, err error) {
	l, err := r.bindLarge(all, payload)
	if err != nil {
		return got, err
	}
	if e.take == nil {
		return boundResult{large: l, valueBytes: l.bytes}, nil
	}
	err = l.decode(func(b []byte) (err error) {
		got, err = r.bind(e, b)
		return err
	})
	return got, err
}

// decode calls f, once, with the encoded result, which may be memory that the worker still
// writes to, and gives it up.
func (l *largeResult) decode(f func(b []byte) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.giveUp()
	if l.err != nil {
		return l.err
	}
	defer l.all.copiedOut.Add(l.bytes)
	return recovered(func() error {
		if l.inBlock {
			return l.block.View().Guarded(f)
		}
		return f(l.private)
	})
}

// copyOut makes its block free.
func (l *largeResult) copyOut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.inBlock {
		return
	}
	var private []byte
	l.err = l.block.View().Guarded(func(mem []byte) error { private = bytes.Clone(mem); return nil })
	l.all.copiedOut.Add(l.bytes)
	l.giveUp()
	l.private = private
}

// Release gives it up. It may be called again.
func (l *largeResult) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.giveUp()
}

// giveUp is called with l.mu held.
func (l *largeResult) giveUp() {
	l.private = nil
	if !l.inBlock {
		return
	}
	l.inBlock = false
	l.all.mu.Lock()
	delete(l.all.live, l)
	l.all.mu.Unlock()
	l.block.Release()
}

// copyOut frees the side blocks of one worker's results, or of all, and waits for those
// that are being decoded.
func (all *largeResults) copyOut(of *resultSegments) {
	var found []*largeResult
	all.mu.Lock()
	for l := range all.live {
		if of == nil || l.of == of {
			found = append(found, l)
		}
	}
	all.mu.Unlock()
	for _, l := range found {
		l.copyOut()
	}
}

// makeRoom frees the memory of results by value: of a worker whose arena is full of what
// it may have, or of all of them.
func (p *Pool) makeRoom(of *resultSegments) {
	p.mu.Lock()
	if !p.helpers.stopping { // else there are no results to come
		p.preemptUnlocking()
		p.drainUnlocking() // what lies in lanes yet
		p.handOverLocked()
	}
	p.unlock()
	p.large.copyOut(of)
}
