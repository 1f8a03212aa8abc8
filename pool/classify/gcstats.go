package classify

import (
	"runtime/metrics"
	"time"
)

// gcStats is the work of the garbage collector of this process so far. The runtime adds a
// collection up when it ends.
type gcStats struct {
	cpu    time.Duration
	cycles uint64
}

func readGC() (g gcStats) {
	samples := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(samples)
	if v := samples[0].Value; v.Kind() == metrics.KindFloat64 {
		g.cpu = time.Duration(v.Float64() * 1e9)
	}
	if v := samples[1].Value; v.Kind() == metrics.KindUint64 {
		g.cycles = v.Uint64()
	}
	return g
}

func (g gcStats) minus(b gcStats) gcStats {
	return gcStats{max(g.cpu-b.cpu, 0), g.cycles - b.cycles}
}
