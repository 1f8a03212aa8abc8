package pool

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm"
)

// exhaust leaves its worker no descriptor.
var exhaust = Func("test.exhaust", func(t *Task, all bool) (int, error) {
	if all || t.Worker() == 0 {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 64, Max: 64}); err != nil {
			return 0, err
		}
		for {
			if _, err := unix.Open("/dev/null", unix.O_RDONLY, 0); err != nil {
				break
			}
		}
	}
	return t.Worker(), nil
})

// A worker without descriptors is replaced; the tasks that it cannot run are run
// elsewhere, with views of new segments, with results, and over ranges.
func TestWorkerWithoutDescriptors(t *testing.T) {
	for _, anonymous := range []bool{false, true} {
		for _, kind := range []string{"argument", "result", "range"} {
			t.Run(fmt.Sprintf("anonymous=%v/%s", anonymous, kind), func(t *testing.T) {
				p := newPool(t, &Options{Workers: 2, Arenas: Arenas{Anonymous: anonymous}})
				allUp(t, p, 2)
				for at := -1; at != 0; {
					f, err := exhaust.Submit(background(), p, false)
					require.NoError(t, err)
					at, err = f.Wait(background())
					require.NoError(t, err)
				}
				switch kind {
				case "argument":
					x, err := shm.PutCopy(p.Arena(), []float64{42})
					require.NoError(t, err)
					defer x.Release()
					ins := slices.Repeat([]dieIn{{How: "release nothing", Mark: "/", X: x.View()}}, 100)
					for r, err := range die.Map(background(), p, slices.Values(ins)) {
						require.NoError(t, err)
						require.Equal(t, 42.0, r.Value)
					}
				case "result":
					for range 20 {
						res := makeOne(t, p, makeIn{N: 10})
						res.check(t, makeIn{N: 10})
						res.release()
					}
				case "range":
					in, out := rangeArrays(t, p, 1000)
					require.NoError(t, squares.ForRange(background(), p, in, 1000, nil))
					requireSquares(t, out)
				}
				s := p.Stats()
				require.Zero(t, s.Failed)
				if !anonymous {
					require.Empty(t, s.Deaths, "it was not replaced in order")
				}
			})
		}
	}
}
