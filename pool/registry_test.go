package pool

import (
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
