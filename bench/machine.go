package bench

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"example.com/handoff/bench/stat"
)

// A Machine describes the hardware and software that figures were taken on. A field that
// could not be read is "" or 0.
type Machine struct {
	OS          string `json:"os"`
	Arch        string `json:"arch"`
	CPU         string `json:"cpu"` // model
	Cores       int    `json:"cores"`
	GOMAXPROCS  int    `json:"gomaxprocs"`
	MemoryBytes int64  `json:"memory_bytes"`
	Kernel      string `json:"kernel"` // release
	Go          string `json:"go"`
	ShmBytes    int64  `json:"shm_bytes"`     // size of /dev/shm; 0 also where it has none
	ShmHuge     string `json:"shm_hugepage"`  // the kernel's setting for shared memory
	HeapHuge    string `json:"heap_hugepage"` // and for the heap
}

func machine() Machine {
	m := Machine{
		OS: runtime.GOOS, Arch: runtime.GOARCH, CPU: cpuModel(),
		Cores: runtime.NumCPU(), GOMAXPROCS: runtime.GOMAXPROCS(0),
		Kernel: firstLine("/proc/sys/kernel/osrelease"), Go: runtime.Version(), ShmBytes: shmBytes(),
		ShmHuge:  chosen(firstLine("/sys/kernel/mm/transparent_hugepage/shmem_enabled")),
		HeapHuge: chosen(firstLine("/sys/kernel/mm/transparent_hugepage/enabled")),
	}
	m.MemoryBytes, _ = memInfo("MemTotal")
	return m
}

// String is one line for people.
func (m Machine) String() string {
	or := func(s string) string {
		if s == "" {
			return "unknown"
		}
		return s
	}
	return fmt.Sprintf("%s, %d cores (GOMAXPROCS %d), %s memory, %s/%s %s, %s, /dev/shm %s, huge pages: shm %s, heap %s",
		or(m.CPU), m.Cores, m.GOMAXPROCS, stat.Size(m.MemoryBytes), m.OS, m.Arch, m.Kernel, m.Go,
		stat.Size(m.ShmBytes), or(m.ShmHuge), or(m.HeapHuge))
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

func firstLine(file string) string {
	b, _ := os.ReadFile(file)
	line, _, _ := strings.Cut(string(b), "\n")
	return line
}

// chosen is the bracketed word of a setting such as "always [madvise] never".
func chosen(setting string) string {
	_, rest, _ := strings.Cut(setting, "[")
	word, _, _ := strings.Cut(rest, "]")
	return word
}
