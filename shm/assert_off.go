//go:build !handoff_assert && !race

package shm

// The assertion build (tag handoff_assert, and every build with the race
// detector) finds mistakes of the caller: see assert_on.go. Here it compiles away.
const assertions = false

// A holdRef leads an arena to the hold of a block in use. Here it keeps the hold alive; in
// assertion builds it does not, so that a lost one can be reported.
type holdRef struct{ h *hold }

func refTo(h *hold, _ bool) holdRef { return holdRef{h} }
func (r holdRef) get() *hold        { return r.h }
func (r holdRef) size() int64       { return r.h.block.size }

type leakWatch struct{}

func (*leakWatch) begin(*hold) {}
func (*leakWatch) end()        {}

func poison(extent)      {}
func heal(extent, int64) {}
