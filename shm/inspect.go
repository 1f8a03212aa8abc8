package shm

import "math"

// Unlimited stands for a bound that is not set or not known.
const Unlimited = math.MaxInt64

// A Machine holds the limits on shared memory and on processes that apply to this process.
type Machine struct {
	Mount     Mount   // /dev/shm
	Available int64   // bytes of memory and swap that the kernel thinks can be had; [Unlimited] if unknown
	Cgroup    int     // version of the cgroups that account for this process's memory: 1, 2, or 0 for none
	Memory    []Limit // memory cgroups with a limit, this process's own first, then its ancestors; bytes
	Tasks     []Limit // the same for the number of processes and threads
	CPUs      float64 // what the tightest cpu cgroup grants, in cores; 0: no quota
}

// A Mount is the file system that holds the segments. Sizes are in bytes,
// inodes are files; [Unlimited] where the mount sets no bound.
type Mount struct {
	Type       string // "tmpfs"; "" if unknown
	Options    string // as the kernel lists them: "rw,nosuid,size=65536k"
	ReadOnly   bool
	Bytes      int64
	Free       int64
	Inodes     int64
	FreeInodes int64
}

// A Limit is one bound of a cgroup.
type Limit struct {
	File string // that sets it
	Most int64
	Used int64
	Free int64 // Most−Used and what the kernel would give back first: its file cache; may be negative
}

// Inspect looks at this machine and changes nothing. The error is about
// /dev/shm alone: the other fields are filled in all the same. It is current for
// a moment only, and no promise: [Run.Create] looks again.
func Inspect() (Machine, error) { return inspect("") }

// TryHuge makes a segment of size bytes without a name, as
// [Run.CreateAnonymous] does, ends it, and returns how many of its bytes the
// kernel put on huge pages.
func TryHuge(size int64) (huge int64, err error) { return tryHuge(size) }
