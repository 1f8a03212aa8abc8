package shm

import (
	"errors"
	"fmt"
	"time"
)

// ErrAlive: the segment belongs to a living run.
var ErrAlive = errors.New("its run is alive")

// A SegmentStat describes a segment to a process that need not have it mapped.
type SegmentStat struct {
	SegmentInfo
	Run      string    `json:"run"`
	State    State     `json:"state"`
	Since    time.Time `json:"since,omitzero"` // as in RunInfo
	Holder   string    `json:"holder"`         // as in RunInfo
	MappedBy []int     `json:"mapped_by"`      // pids of this user's processes that have it mapped, sorted
}

// Stat describes a segment that some run made. A missing one is [io/fs.ErrNotExist].
func Stat(name string) (SegmentStat, error) {
	id, err := checkSegment(name)
	if err != nil {
		return SegmentStat{}, err
	}
	st, err := stat(name, id)
	if err != nil {
		err = fmt.Errorf("shm: stat: %w", err)
	}
	return st, err
}

// Remove removes a segment's name; programs that have it mapped keep it. The
// error wraps [ErrAlive] if its run lives, or nothing says that it is dead and
// some process of this user has it mapped, and force is false. It is for what
// [GC] must not decide: segments in state Unknown.
func Remove(name string, force bool) error {
	st, err := Stat(name)
	if err != nil {
		return err
	}
	if st.State == Alive && !force {
		return fmt.Errorf("shm: remove %q: %w (%s)", name, ErrAlive, st.Holder)
	}
	if st.State == Unknown && len(st.MappedBy) > 0 && !force {
		return fmt.Errorf("shm: remove %q: %w, or may be: processes %v have it mapped", name, ErrAlive, st.MappedBy)
	}
	return unlinkFile(name)
}

// checkSegment refuses names that no run gives.
func checkSegment(name string) (runID string, err error) {
	if err := CheckName(name); err != nil {
		return "", err
	}
	id, ok := segmentRunID(name)
	if !ok {
		return "", fmt.Errorf("shm: name %q: %w: no segment of a run, expected handoff-<24 hexadecimal digits>-<number>", name, ErrName)
	}
	return id, nil
}
