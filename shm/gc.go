package shm

import (
	"context"
	"time"
)

// A RunInfo describes a run by its files in /dev/shm.
type RunInfo struct {
	ID       string        `json:"run"`
	State    State         `json:"state"`
	Since    time.Time     `json:"since,omitzero"` // when the run began; zero if unknown
	Holder   string        `json:"holder"`         // what the run said of itself, for people; quoted, not to be trusted
	Segments []SegmentInfo `json:"segments"`
}

// A State says what is known of a run's life.
type State string

const (
	Alive   State = "alive"   // the kernel says its lock is held
	Orphan  State = "orphan"  // its lock is free: [GC] removes it
	Unknown State = "unknown" // no lock file of this user: nothing proves either, GC leaves it alone
)

// A SegmentInfo is one file of a run.
type SegmentInfo struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
}

// List returns this user's runs in /dev/shm, oldest first, each one's segments in
// the order in which they were made. It only looks.
func List() ([]RunInfo, error) { return list() }

// GCResult counts what GC did.
type GCResult struct {
	Runs     int   `json:"runs"`     // orphaned runs whose last file, the lock, was removed
	Segments int   `json:"segments"` // segments removed
	Bytes    int64 `json:"bytes"`    // their sizes
	Alive    int   `json:"alive"`    // runs left alone because they live
}

// GC removes the segments of this user's runs whose processes are dead, and
// nothing else: proof of death is that the kernel no longer holds the run's
// lock. It may run at any time, in several processes and containers at once, be
// stopped or killed at any point, and waits for nobody; another GC finishes the
// work, and each file is counted by the one that removed it. A file that cannot
// be removed is an error, after everything else was. ctx bounds it: the result
// so far is returned with ctx's error.
func GC(ctx context.Context) (GCResult, error) { return collect(ctx) }
