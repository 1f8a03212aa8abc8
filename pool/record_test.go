package pool

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var failWith = Func("test.failWith", func(_ *Task, how string) (int, error) {
	text := strings.TrimPrefix(how, "panic ")
	if text != how {
		panic(text)
	}
	return 0, errors.New(text)
})

// The text of an error arrives whole, whatever bytes it has, and says so where it is
// too long to.
func TestTextOfErrors(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	long := strings.Repeat("long ", 700)
	for _, how := range []string{"a\x00b", "\x00", "panic a\x00b\x00c", "panic \x00", "ü\xff", long, ""} {
		f, err := failWith.Submit(background(), p, how)
		require.NoError(t, err)
		_, err = f.Wait(background())
		var own *TaskError
		require.ErrorAs(t, err, &own)
		require.Equal(t, strings.ToValidUTF8(strings.TrimPrefix(how, "panic "), "\uFFFD"), own.Text)
		require.Equal(t, strings.HasPrefix(how, "panic"), own.Stack != "", "%q: %q", how, own.Stack)
		require.Equal(t, own.Stack != "", strings.HasPrefix(own.Stack, "goroutine "))
	}
}
