package pool

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

func TestRegistrationRefuses(t *testing.T) {
	for want, f := range map[string]func(){
		"chan float64":             func() { newEntry("x", func(*Task, chan float64) (int, error) { return 0, nil }) },
		"not possible in a result": func() { newEntry("x", func(*Task, int) (shm.Array[int8], error) { return shm.Array[int8]{}, nil }) },
		"is registered twice":      func() { register(newEntry("test.echo", func(*Task, int) (int, error) { return 0, nil })) },
	} {
		func() {
			defer func() {
				v := recover()
				require.NotNil(t, v, want)
				require.Contains(t, v, want)
			}()
			f()
		}()
	}
}

// compiledFuncs counts the functions of this process that are compiled.
var compiledFuncs = Func("test.compiledFuncs", func(t *Task, plan bool) (n int, err error) {
	if plan && len(norm.Plan().Argument) != 2 {
		return 0, errors.New("a plan of two fields was expected")
	}
	registry.mu.Lock()
	defer registry.mu.Unlock()
	for _, e := range registry.byName {
		if e.in != nil {
			n++
		}
	}
	return n, nil
})

// A worker starts without compiling what it is not asked for.
func TestWorkerCompilesWhatItNeeds(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	for i, plan := range []bool{false, false, true} {
		n, err := compiledFuncs.Call(background(), p, plan)
		require.NoError(t, err)
		require.Equal(t, []int{1, 1, 2}[i], n)
	}
}
