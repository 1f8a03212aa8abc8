package proc

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestCoresOfSlots(t *testing.T) {
	all := unix.NewCPUSet(maxCores)
	for _, id := range []int{1, 2, 5, 64, 8191} {
		all.Set(id)
	}
	for _, c := range []struct {
		workers, procs int
		want           string
	}{
		{3, 1, "[[1] [2] [5]]"},
		{7, 1, "[[1] [2] [5] [64] [8191] [1] [2]]"},
		{3, 2, "[[1 2] [5 64] [1 8191]]"},
		{2, 5, "[[1 2 5 64 8191] [1 2 5 64 8191]]"},
		{2, 6, "[[1 2 5 64 8191] [1 2 5 64 8191]]"},
	} {
		var got [][]int
		for slot := range c.workers {
			var ids []int
			set := Cores{slot * c.procs, c.procs}.of(all)
			for id := range maxCores {
				if set.IsSet(id) {
					ids = append(ids, id)
				}
			}
			got = append(got, ids)
		}
		require.Equal(t, c.want, fmt.Sprint(got))
	}
}
