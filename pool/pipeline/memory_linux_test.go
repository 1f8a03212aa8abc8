package pipeline

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
	"example.com/handoff/shm/shmtest"
)

var lengthOf = pool.Func("test.lengthOf", func(t *pool.Task, text string) (int, error) { return len(text), nil })

// A process stage waits where the arguments of its own tasks take up the arena, and fails
// where what takes it up is not the pipeline's.
func TestProcWaitsForMemory(t *testing.T) {
	p := newPool(t, &pool.Options{Workers: 2, Arenas: pool.Arenas{Inputs: &shm.ArenaOptions{MaxBytes: 4 << 20}}})
	text := strings.Repeat("x", 3<<20) // two never fit
	drain := func(ins []string) (n int, err error) {
		pl := New(&Options{MaxBytes: 1 << 30})
		first := Proc(pl, "first", From(pl, slices.Values(ins)), p.Pool, lengthOf, 4)
		again := Go(pl, "again", first, func(_ context.Context, n int) (string, error) { return text[:n], nil }, 4)
		second := Proc(pl, "second", again, p.Pool, lengthOf, 4) // in the same arena
		err = Drain(background(), second, func(_ context.Context, got int) error {
			if got != len(text) {
				return errors.New("another text has arrived")
			}
			n++
			return nil
		})
		return n, err
	}
	defer watched(t, "a pipeline short of memory")()
	n, err := drain(slices.Repeat([]string{text}, 20))
	require.NoError(t, err)
	require.Equal(t, 20, n)
	_, err = drain([]string{text, strings.Repeat("x", 5<<20)})
	require.ErrorIs(t, err, pool.ErrTooLarge)
	requireNothingHeld(t, p)
	held, err := shm.Make[byte](p.Arena(), 2<<20)
	require.NoError(t, err)
	_, err = drain([]string{text})
	require.ErrorIs(t, err, shm.ErrFull)
	require.NotErrorIs(t, err, pool.ErrTooLarge)

	// The end of the context ends the wait.
	ctx, cancel := context.WithCancel(background())
	u := newWorkerUse(p.Pool)
	u.tasks.begun()
	left := make(chan error)
	go func() {
		_, err := submit(ctx, p.Pool, lengthOf, text, &u.tasks)
		left <- err
	}()
	shmtest.Eventually(t, func() bool {
		u.tasks.mu.Lock()
		defer u.tasks.mu.Unlock()
		return u.tasks.ended != nil
	}, "it does not wait")
	cancel()
	require.ErrorIs(t, <-left, context.Canceled)
	held.Release()
	requireNothingHeld(t, p)
}
