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
	found  found // not changed after Open

	pending pending // has a lock of its own

	// syncMu guards what follows: one goroutine writes to the file at a time. It is
	// taken before pending's lock.
	syncMu       sync.Mutex
	durable      int64 // what lies after this offset was not acknowledged
	unsyncedSeal bool  // the last seal is not synced
	sealBuf      []byte
}

// found describes the file as Open has left it.
type found struct {
	records int
	extent  extent // where they lie
	cut     int64  // bytes of the torn tail
}

// Header returns the bytes that were given to Create. They belong to the journal and
// must not be changed.
func (j *Journal) Header() []byte { return j.header }

// Len returns how many records there were at Open; 0 after Create.
func (j *Journal) Len() int { return j.found.records }

// Cut returns how many bytes of a torn tail Open has cut off.
func (j *Journal) Cut() int64 { return j.found.cut }

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
	flush, sync, err := j.pending.add(j.prefix, rec)
	switch {
	case err != nil:
		return j.wrap("append to", err)
	case sync:
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
	b, at, err := j.pending.take()
	if err != nil {
		return err
	}
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

// syncGroup does Sync, with syncMu held.
func (j *Journal) syncGroup() error {
	b, at, number, ok, err := j.pending.takeGroup()
	if err != nil || !ok {
		return err
	}
	if err := j.write(b, at); err != nil {
		return err
	}
	if err := j.file.Sync(); err != nil {
		return j.stop(err)
	}
	// The next call returns the error of a seal, for what has been synced is durable.
	_ = j.seal(at+int64(len(b)), number)
	return nil
}

// seal writes a seal, not synced, with syncMu held.
func (j *Journal) seal(at int64, number uint64) error {
	j.durable = at
	j.sealBuf = j.prefix.appendFrame(j.sealBuf[:0], at, kindSeal, number, at, nil)
	err := j.writeAll(j.sealBuf, at)
	if err == nil {
		j.durable, j.unsyncedSeal = at+frameBytes, true
	}
	return err
}

// write writes frames and gives their memory back, with syncMu held.
func (j *Journal) write(b []byte, at int64) error {
	if len(b) == 0 {
		return nil
	}
	err := j.writeAll(b, at)
	if err == nil {
		j.pending.recycle(b)
	}
	return err
}

// writeAll writes b or stops the journal, with syncMu held.
func (j *Journal) writeAll(b []byte, at int64) error {
	if err := writeFull(j.file, b, at); err != nil {
		return j.stop(err)
	}
	return nil
}

func writeFull(f File, b []byte, at int64) error {
	n, err := f.WriteAt(b, at)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// stop ends the journal for good, with syncMu held. What was not acknowledged is cut
// off if that works; if not, Open finds it to be a torn tail, or whole.
func (j *Journal) stop(err error) error {
	err = fmt.Errorf("the journal has stopped: %w", err)
	j.pending.stop(err)
	_ = j.file.Truncate(j.durable)
	return err
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
	if err == nil && j.unsyncedSeal {
		if err = j.file.Sync(); err != nil {
			err = j.stop(err)
		}
	}
	if stopped := j.pending.close(); err == nil {
		err = stopped // of the seal
	}
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
