package shm

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

func list() ([]RunInfo, error) {
	byRun, locks, err := scan(context.Background())
	if err != nil {
		return nil, err
	}
	var runs []RunInfo
	for id := range locks {
		info := RunInfo{ID: id, Segments: append([]SegmentInfo{}, byRun[id]...)}
		delete(byRun, id)
		probe(&info)
		if info.State != "" {
			runs = append(runs, info)
		}
	}
	for id, segs := range byRun {
		runs = append(runs, RunInfo{ID: id, State: Unknown, Segments: segs})
	}
	sort.Slice(runs, func(i, j int) bool {
		if !runs[i].Since.Equal(runs[j].Since) {
			return runs[i].Since.Before(runs[j].Since)
		}
		return runs[i].ID < runs[j].ID
	})
	return runs, nil
}

// scan reads the directory once, in pieces, and keeps what is of this user.
func scan(ctx context.Context) (segments map[string][]SegmentInfo, locks map[string]bool, err error) {
	segments, locks = map[string][]SegmentInfo{}, map[string]bool{}
	d, err := os.Open(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("shm: list: %w", err)
	}
	defer d.Close()
	for {
		if err := ctx.Err(); err != nil {
			return segments, locks, err
		}
		names, err := d.Readdirnames(512)
		for _, name := range names {
			id, isSegment := segmentRunID(name)
			lockID, isLock := lockRunID(name)
			if !isSegment && !isLock {
				continue
			}
			var st unix.Stat_t
			if unix.Lstat(dir+"/"+name, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG || st.Uid != uint32(os.Geteuid()) {
				continue
			}
			if isLock {
				locks[lockID] = true
			} else {
				segments[id] = append(segments[id], SegmentInfo{Name: name, Bytes: st.Size})
			}
		}
		if err == io.EOF {
			return segments, locks, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("shm: list: %w", err)
		}
	}
}

// probe asks for a shared lock, which never makes a collector believe in a
// death or a life that is not there. State stays "" if the file has gone.
func probe(info *RunInfo) {
	f, err := openFile(lockName(info.ID), unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return
	}
	defer f.Close()
	info.State = Alive
	if flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		info.State = Orphan
	}
	if st, err := f.Stat(); err == nil {
		info.Since = st.ModTime().UTC().Truncate(time.Second)
	}
	line, _ := bufio.NewReader(io.LimitReader(f, 128)).ReadString('\n')
	q := strconv.QuoteToASCII(line)
	info.Holder = q[1 : len(q)-1]
	if n := len(info.Holder); n > 1 && info.Holder[n-2:] == `\n` {
		info.Holder = info.Holder[:n-2]
	}
}

// gcBatch bounds the lock files that one round of a collector holds open.
const gcBatch = 256

func collect(ctx context.Context) (GCResult, error) {
	var res GCResult
	_, locks, err := scan(ctx)
	if err != nil {
		return res, err
	}
	batch := map[string]*os.File{}
	var errs []error
	for id := range locks {
		f, alive := takeLock(lockName(id))
		if alive {
			res.Alive++
		}
		if f != nil {
			batch[id] = f
		}
		if len(batch) == gcBatch {
			errs = append(errs, removeRuns(ctx, batch, &res))
		}
	}
	errs = append(errs, removeRuns(ctx, batch, &res))
	return res, errors.Join(errs...)
}

// removeRuns removes the files of dead runs whose locks we hold, and empties
// the batch. It lists the directory only now: a run whose lock could be taken
// has made all its segments, so none is missed.
func removeRuns(ctx context.Context, batch map[string]*os.File, res *GCResult) error {
	if len(batch) == 0 {
		return nil
	}
	defer clear(batch)
	defer func() {
		for _, f := range batch {
			f.Close()
		}
	}()
	segments, _, err := scan(ctx)
	if err != nil {
		return err
	}
	for id := range batch {
		for _, s := range segments[id] {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := unlinkFile(s.Name); err != nil {
				return err
			}
			res.Segments++
			res.Bytes += s.Bytes
		}
		if err := unlinkFile(lockName(id)); err != nil { // last: until then another gc can go on
			return err
		}
		res.Runs++
	}
	return nil
}

// takeLock returns the lock file, locked, if its run is dead and it is still
// the file of that name: another collector may have removed it since.
func takeLock(name string) (f *os.File, alive bool) {
	f, err := openFile(name, unix.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, false
	}
	if err := flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err == unix.EWOULDBLOCK
	}
	var held, named unix.Stat_t
	if unix.Fstat(int(f.Fd()), &held) != nil || held.Nlink == 0 ||
		unix.Lstat(dir+"/"+name, &named) != nil || named.Ino != held.Ino || named.Dev != held.Dev {
		f.Close()
		return nil, false
	}
	return f, false
}
