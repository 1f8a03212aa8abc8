package stat

import (
	"fmt"
	"strings"
)

const (
	mostTaken = 0.05 // of the cores' time
	// canaryFactor is by how much the canary may differ from what is usual. Another placement of its
	// two threads changes it by more.
	canaryFactor = 2
)

// A Load is what else the machine did while something was measured. A figure of 0 was not
// measured.
type Load struct {
	Canary      float64 // ns: median round trip of the canary
	CanaryRange Range   // of a quiet machine
	Others      float64 // share of the cores' time that processes took which are not measured
	Stolen      float64 // share of the cores' time that the hypervisor gave to others
}

// A Range is from Low to High, both included.
type Range struct{ Low, High float64 }

// CanaryRange is the range of the canary on a quiet machine, from its round trips in a
// whole run: half to twice their lower quartile, since load makes them longer. Zero for none.
func CanaryRange(canaries []float64) Range {
	if len(canaries) == 0 {
		return Range{}
	}
	usual := Quantile(canaries, 0.25)
	return Range{usual / canaryFactor, usual * canaryFactor}
}

// TooBusy says why nothing that was measured under this load can be relied on, with the
// figures; "" if it can.
func (l Load) TooBusy() string {
	var why []string
	if r := l.CanaryRange; l.Canary > 0 && r.High > 0 && !(r.Low <= l.Canary && l.Canary <= r.High) {
		why = append(why, fmt.Sprintf("the canary took %s, expected %s to %s", Time(l.Canary), Time(r.Low), Time(r.High)))
	}
	if l.Others > mostTaken {
		why = append(why, fmt.Sprintf("other processes took %s of the time", Percent(l.Others)))
	}
	if l.Stolen > mostTaken {
		why = append(why, fmt.Sprintf("the hypervisor took %s of the time", Percent(l.Stolen)))
	}
	return strings.Join(why, "; ")
}
