package classify

import "runtime/metrics"

// collections is the work of the garbage collector of this process so far. The
// runtime adds a collection up when it ends.
type collections struct {
	cpuS   float64
	cycles uint64
}

func readGC() collections {
	samples := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(samples)
	var c collections
	if v := samples[0].Value; v.Kind() == metrics.KindFloat64 {
		c.cpuS = v.Float64()
	}
	if v := samples[1].Value; v.Kind() == metrics.KindUint64 {
		c.cycles = v.Uint64()
	}
	return c
}

func (c collections) minus(b collections) collections {
	return collections{max(c.cpuS-b.cpuS, 0), c.cycles - b.cycles}
}
