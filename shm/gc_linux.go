package shm

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func list() ([]RunInfo, error) {
	segments, locks, err := scan(context.Background())
	if err != nil {
		return nil, err
	}
	for id := range segments {
		locks[id] = true // it may have been missed while the run began or ended
	}
	var runs []RunInfo
	for id := range locks {
		info := RunInfo{ID: id, Segments: append([]SegmentInfo{}, segments[id]...)}
		if look(&info); info.State == Unknown {
			// A run that ends removes its segments before its lock.
			info.Segments = slices.DeleteFunc(info.Segments, func(s SegmentInfo) bool {
				return unix.Access(dir+"/"+s.Name, unix.F_OK) == unix.ENOENT
			})
			if len(info.Segments) == 0 {
				continue
			}
		}
		runs = append(runs, info)
	}
	for _, r := range runs {
		slices.SortFunc(r.Segments, func(a, b SegmentInfo) int { // by number: the id has one length
			return cmp.Or(cmp.Compare(len(a.Name), len(b.Name)), strings.Compare(a.Name, b.Name))
		})
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
			if unix.Lstat(dir+"/"+name, &st) != nil || !ours(&st) {
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

// ours reports whether it is a regular file of this user.
func ours(st *unix.Stat_t) bool {
	return st.Mode&unix.S_IFMT == unix.S_IFREG && st.Uid == uint32(os.Geteuid())
}

// openLock opens a run's lock file and says what the kernel says of the run:
// Alive, Orphan, or Unknown without a file if there is none. Only the run itself
// ever takes the exclusive lock. Everybody else asks for a shared one, so that
// no looker and no collector is taken for a living run, or keeps another from
// its work.
func openLock(runID string) (*os.File, State) {
	name := lockName(runID)
	f, err := openFile(name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, Unknown
	}
	atStep("lock opened")
	state := Alive
	if flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB) == nil {
		state = Orphan
	}
	var held, named unix.Stat_t // another file may have the name by now, or none
	if unix.Fstat(int(f.Fd()), &held) != nil || !ours(&held) ||
		unix.Lstat(dir+"/"+name, &named) != nil || named.Ino != held.Ino || named.Dev != held.Dev {
		f.Close()
		return nil, Unknown
	}
	atStep("lock probed")
	return f, state
}

// look fills in what a run's lock file says.
func look(info *RunInfo) {
	f, state := openLock(info.ID)
	if info.State = state; f == nil {
		return
	}
	defer f.Close()
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

func collect(ctx context.Context) (GCResult, error) {
	var res GCResult
	_, locks, err := scan(ctx)
	if err != nil {
		return res, err
	}
	var dead []string
	for id := range locks {
		f, state := openLock(id)
		if f != nil {
			f.Close() // no lock is needed: an id is never used again
		}
		switch state {
		case Alive:
			res.Alive++
		case Orphan:
			dead = append(dead, id)
		}
	}
	if len(dead) == 0 {
		return res, nil
	}
	// Only now is the list of their segments complete: the dead make no more.
	segments, _, err := scan(ctx)
	if err != nil {
		return res, err
	}
	var errs []error
	for _, id := range dead {
		errs = append(errs, removeRun(ctx, id, segments[id], &res))
	}
	return res, errors.Join(append(errs, ctx.Err())...)
}

// removeRun removes a dead run's files and counts those that no other collector
// removed first.
func removeRun(ctx context.Context, id string, segments []SegmentInfo, res *GCResult) error {
	for _, s := range segments {
		if ctx.Err() != nil {
			return nil // the caller says so
		}
		removed, err := removeFile(s.Name)
		if err != nil {
			return err
		}
		if removed {
			res.Segments++
			res.Bytes += s.Bytes
		}
		atStep("segment removed")
	}
	removed, err := removeFile(lockName(id)) // last: until then another gc can go on
	if removed {
		res.Runs++
	}
	return err
}

// removeFile reports whether this call removed the name; one that is already
// missing is fine.
func removeFile(name string) (bool, error) {
	err := unix.Unlink(dir + "/" + name)
	if err == unix.ENOENT {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("shm: gc: %w", &os.PathError{Op: "unlink", Path: dir + "/" + name, Err: err})
	}
	return true, nil
}
