package shm

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

func stat(name, runID string) (SegmentStat, error) {
	st := SegmentStat{SegmentInfo: SegmentInfo{Name: name}, Run: runID, MappedBy: []int{}}
	f, err := openFile(name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return st, err
	}
	defer f.Close()
	fail := func(op string, err error) (SegmentStat, error) {
		return st, &os.PathError{Op: op, Path: dir + "/" + name, Err: err}
	}
	info := RunInfo{ID: runID}
	look(&info)
	st.State, st.Since, st.Holder = info.State, info.Since, info.Holder
	var file unix.Stat_t // after the look: a run that ends removes its segments before its lock
	if err := unix.Fstat(int(f.Fd()), &file); err != nil {
		return fail("fstat", err)
	}
	if !ours(&file) {
		return fail("stat", fmt.Errorf("%w: mode %#o, user %d, expected a regular file of user %d", ErrForeign, file.Mode, file.Uid, os.Geteuid()))
	}
	if file.Nlink == 0 {
		return fail("open", unix.ENOENT)
	}
	st.Bytes = file.Size // 0 while the segment is being made
	st.MappedBy = mappedBy(name)
	return st, nil
}

// mappedBy looks through the maps of the processes that may be read.
func mappedBy(name string) []int {
	pids := []int{}
	all, _ := filepath.Glob("/proc/[0-9]*/maps")
	for _, file := range all {
		b, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(b, []byte(" "+dir+"/"+name+"\n")) {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			pids = append(pids, pid)
		}
	}
	slices.Sort(pids)
	return pids
}
