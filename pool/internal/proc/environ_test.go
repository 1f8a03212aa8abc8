package proc

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEnviron(t *testing.T) {
	parent := []string{"PATH=/bin", "HOME=/h", "GOMAXPROCS=8", "GOMEMLIMIT=1GiB", "GODEBUG=x=1", "LC_ALL=C", "OMP_NUM_THREADS=2", "SECRET=s", "PATHOLOGY=p"}
	kept := []string{"PATH=/bin", "HOME=/h", "GODEBUG=x=1", "LC_ALL=C", "OMP_NUM_THREADS=2"}
	for name, c := range map[string]struct {
		set, asked, more []string
	}{
		"nothing more":          {},
		"set":                   {set: []string{"GOMAXPROCS=2"}, more: []string{"GOMAXPROCS=2"}},
		"asked after what is":   {set: []string{"GOMAXPROCS=2"}, asked: []string{"GOMAXPROCS=3"}, more: []string{"GOMAXPROCS=2", "GOMAXPROCS=3"}},
		"passed on by its key":  {asked: []string{"SECRET", "GOMEMLIMIT"}, more: []string{"SECRET=s", "GOMEMLIMIT=1GiB"}},
		"a key that is nowhere": {asked: []string{"NOWHERE", "PATHOLOG"}},
		"an empty value":        {asked: []string{"SECRET="}, more: []string{"SECRET="}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, append(kept[:len(kept):len(kept)], c.more...), environ(parent, c.set, c.asked))
		})
	}
}
