package tune

import "runtime"

// Cores is how many physical cores this process can use, and how many cores in all: those
// that the scheduler lets it use (cpuset, affinity), and not more than its quota of CPU
// time or GOMAXPROCS allow. Two threads of one core count once as physical.
func Cores() (physical, usable int) {
	usable = min(runtime.GOMAXPROCS(0), runtime.NumCPU())
	return max(min(physicalCores(), usable), 1), usable
}
