package tiny

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMedianChecksAnswers(t *testing.T) {
	ns, err := median(3, func(x int64) (int64, error) { return Task(x), nil })
	require.NoError(t, err)
	require.GreaterOrEqual(t, ns, 0.0)
	_, err = median(3, func(x int64) (int64, error) { return min(Task(x), 2), nil })
	require.EqualError(t, err, "a wrong answer: 2 to 2")
	broken := errors.New("broken")
	_, err = median(3, func(int64) (int64, error) { return 0, broken })
	require.ErrorIs(t, err, broken)
}
