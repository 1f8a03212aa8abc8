//go:build handoff_fault

package ring

// Step, with the tag handoff_fault alone, hears of what a Producer is about to do:
// it may end the process there, for the tests of package pool.
var Step func(name string)

func step(name string) {
	if Step != nil {
		Step(name)
	}
}
