//go:build !linux

package cores

type (
	Load  struct{ CPU, Faults int64 }
	Usage struct{ Busy, Stolen, All int64 }
)

func CPUOf(int) (int64, error)     { return 0, errAffinity }
func LoadOf(int) (Load, error)     { return Load{}, errAffinity }
func (l Load) Sub(Load) Load       { return l }
func (l Load) Add(Load) Load       { return l }
func (Load) Core(int) int          { return -1 }
func UsageOfCores() (Usage, error) { return Usage{}, errAffinity }
func Apart(a, b int) string        { return "" }

const (
	SameCore  = "same core"
	SameCache = "same cache"
	Other     = "other"
)
