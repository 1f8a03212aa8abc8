package tune

import (
	"fmt"
	"math"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// maxCores is the most that a kernel can be built for.
const maxCores = 8192

// physicalCores counts the cores in the affinity of this process.
func physicalCores() int {
	set := unix.NewCPUSet(maxCores)
	if err := unix.SchedGetaffinityDynamic(0, set); err != nil {
		return math.MaxInt
	}
	return coresUnder("/sys/devices/system/cpu", set.IsSet)
}

// coresUnder counts the cores that have a thread which may be used. A thread whose core
// is unknown counts as one.
func coresUnder(dir string, may func(cpu int) bool) int {
	cores := map[string]bool{}
	for cpu := range maxCores {
		if !may(cpu) {
			continue
		}
		text, err := os.ReadFile(fmt.Sprintf("%s/cpu%d/topology/thread_siblings_list", dir, cpu))
		name := strings.TrimSpace(string(text))
		if err != nil || name == "" {
			name = fmt.Sprint("cpu ", cpu)
		}
		cores[name] = true
	}
	return len(cores)
}
