//go:build !linux

package cores

type Load struct{ CPU, Waiting, Faults int64 }

func LoadOf(int) (Load, error)               { return Load{}, errAffinity }
func (l Load) Sub(Load) Load                 { return l }
func (l Load) Add(Load) Load                 { return l }
func (Load) Core(int) int                    { return -1 }
func Stolen() (stolen, all int64, err error) { return 0, 0, errAffinity }
func Apart(a, b int) string                  { return "" }

const (
	SameCore  = "same core"
	SameCache = "same cache"
	Other     = "other"
)
