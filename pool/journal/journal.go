package journal

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
)

const (
	fileName = "journal"
	tmpName  = "journal.tmp"
	lockName = "journal.lock"
)

const (
	// flushBytes is how much Append holds in memory before it writes, without a sync.
	flushBytes = 1 << 20
	// groupBytes is how long a group becomes before Append syncs it.
	groupBytes = 64 << 20
	// tornBytes is more than a group can have, also with many goroutines that have
	// appended one record each beyond groupBytes. It bounds the search in a torn tail.
	tornBytes = 1 << 30
)

// Names are the files of a journal in its folder, some of which are there for a moment only.
func Names() []string { return []string{fileName, tmpName, lockName} }

// A Journal is an open journal. Its methods may be called from several goroutines at
// once. There is no useful zero value: see Create and Open.
type Journal struct {
	fs     FS
	dir    string
	file   File
	lock   io.Closer
	prefix prefix
	header []byte
	count  int    // records at Open
	found  extent // where they lie
	cut    int64

	// syncMu lets one goroutine write to the file at a time. It is taken before mu.
	syncMu   sync.Mutex
	sealed   int64 // what lies after this offset was not acknowledged
	sealSoft bool  // the last seal is not synced
	sealBuf  []byte

	// mu is not held while a call to the file runs: Append goes on during a Sync.
	mu     sync.Mutex
	buf    []byte // frames to be written
	spare  []byte
	at     int64  // where buf goes
	number uint64 // of the next record
	base   int64  // of the next record
	group  bool   // something was appended since the last Sync
	err    error  // why it has stopped
	closed bool
}

// Header returns the bytes that were given to Create. They belong to the journal and
// must not be changed.
func (j *Journal) Header() []byte { return j.header }

// Len returns how many records there were at Open; 0 after Create.
func (j *Journal) Len() int { return j.count }

// Cut returns how many bytes of a torn tail Open has cut off.
func (j *Journal) Cut() int64 { return j.cut }

func (j *Journal) path() string { return filepath.Join(j.dir, fileName) }

// Append adds a record to the group that the next Sync makes durable. It copies rec,
// which has at most MaxRecord bytes and may be empty. About 1 MiB is held in memory,
// then Append writes to the file, without a sync; after 64 MiB it syncs. It returns
// ErrTooLarge, which changes nothing, ErrClosed, or the error that has stopped the
// journal.
func (j *Journal) Append(rec []byte) error {
	if len(rec) > MaxRecord {
		return j.wrap("append to", fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(rec), MaxRecord))
	}
	j.mu.Lock()
	if err := j.usableLocked(); err != nil {
		j.mu.Unlock()
		return j.wrap("append to", err)
	}
	before := len(j.buf)
	j.buf = j.prefix.appendFrame(j.buf, j.at+int64(before), kindRecord, j.number, j.base, rec)
	j.number++
	j.group = true
	flush := len(j.buf) >= flushBytes
	long := j.at+int64(len(j.buf))-j.base >= groupBytes
	j.mu.Unlock()
	switch {
	case long:
		return j.Sync()
	case flush:
		return j.wrap("append to", j.flush())
	}
	return nil
}

// flush writes what is in memory.
func (j *Journal) flush() error {
	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	j.mu.Lock()
	if err := j.usableLocked(); err != nil {
		j.mu.Unlock()
		return err
	}
	b, at := j.takeLocked()
	j.mu.Unlock()
	return j.write(b, at)
}

// Sync makes durable what was appended before it was called: when it returns nil,
// these records survive the loss of power. It writes once and calls fdatasync once,
// also for several goroutines that wait for it together; with nothing appended it does
// nothing. An error has stopped the journal: see the package's Failure.
func (j *Journal) Sync() error {
	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	return j.wrap("sync", j.syncGroup())
}

// syncGroup is Sync with syncMu held.
func (j *Journal) syncGroup() error {
	j.mu.Lock()
	if err := j.usableLocked(); err != nil || !j.group {
		j.mu.Unlock()
		return err
	}
	b, at := j.takeLocked()
	end, number := j.at, j.number
	j.at += frameBytes // for the seal; what is appended from here on is written after it
	j.base = end
	j.group = false
	j.mu.Unlock()

	if err := j.write(b, at); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return j.stop(err)
	}
	j.seal(end, number)
	return nil
}

// seal writes a seal, not synced. If that fails, it is the next call that finds the
// journal stopped, for what has been synced is durable.
func (j *Journal) seal(at int64, number uint64) {
	j.sealed = at
	j.sealBuf = j.prefix.appendFrame(j.sealBuf[:0], at, kindSeal, number, at, nil)
	if j.writeAll(j.sealBuf, at) == nil {
		j.sealed, j.sealSoft = at+frameBytes, true
	}
}

// takeLocked returns the frames in memory and where they go.
func (j *Journal) takeLocked() (b []byte, at int64) {
	b, at = j.buf, j.at
	j.buf, j.spare = j.spare[:0], nil
	j.at += int64(len(b))
	return b, at
}

// write writes frames and gives their memory back, with syncMu held.
func (j *Journal) write(b []byte, at int64) error {
	if len(b) == 0 {
		return nil
	}
	if err := j.writeAll(b, at); err != nil {
		return err
	}
	j.mu.Lock()
	if cap(b) > cap(j.spare) && cap(b) <= 2*flushBytes {
		j.spare = b[:0]
	}
	j.mu.Unlock()
	return nil
}

// writeAll writes b or stops the journal, with syncMu held.
func (j *Journal) writeAll(b []byte, at int64) error {
	n, err := j.file.WriteAt(b, at)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return j.stop(err)
	}
	return nil
}

// stop ends the journal for good, with syncMu held. What was not acknowledged is cut
// off if that works; if not, Open finds it to be a torn tail, or whole.
func (j *Journal) stop(err error) error {
	err = fmt.Errorf("the journal has stopped: %w", err)
	j.mu.Lock()
	j.err = err
	j.buf, j.spare = nil, nil
	j.mu.Unlock()
	_ = j.file.Truncate(j.sealed)
	return err
}

func (j *Journal) usableLocked() error {
	if j.closed {
		return ErrClosed
	}
	return j.err
}

// Close syncs what was appended, and the last seal, and lets go of the journal, which
// stays in its folder. It returns the error that has stopped the journal, if one has.
// It is safe to call twice; the second call returns nil.
func (j *Journal) Close() error {
	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	err := j.syncGroup()
	if errors.Is(err, ErrClosed) {
		return nil
	}
	if err == nil && j.sealSoft {
		if err = j.file.Sync(); err != nil {
			err = j.stop(err)
		}
	}
	j.mu.Lock()
	if err == nil {
		err = j.err // of the seal
	}
	j.closed = true
	j.buf, j.spare = nil, nil
	j.mu.Unlock()
	return j.wrap("close", errors.Join(err, j.file.Close(), j.lock.Close()))
}

// wrap says what was done, and where.
func (j *Journal) wrap(what string, err error) error { return wrap(what, j.dir, err) }

func wrap(what, dir string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("journal: %s %q: %w", what, dir, err)
}
