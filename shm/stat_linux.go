package shm

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

func stat(name, runID string) (SegmentStat, error) {
	st := SegmentStat{SegmentInfo: SegmentInfo{Name: name}, Run: runID, State: Unknown, MappedBy: mappedBy(name)}
	f, err := openFile(name, unix.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return st, err
	}
	defer f.Close()
	if st.Bytes, err = checkFile(f, 0); err != nil {
		return st, &os.PathError{Op: "check", Path: dir + "/" + name, Err: err}
	}
	info := RunInfo{ID: runID}
	if probe(&info); info.State != "" {
		st.State, st.Holder = info.State, info.Holder
	}
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
