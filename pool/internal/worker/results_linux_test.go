package worker

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// A worker that cannot map a segment for results gives it back.
func TestUnmappableResultSegment(t *testing.T) {
	ours, theirs := proc.LocalPair()
	defer ours.Close()
	r := newResultArena(theirs, 0, nil)
	why := errors.New("too many open files")
	require.NoError(t, r.grown(7, nil, why))
	require.Equal(t, why, (<-r.answer).err)
	buf := make([]byte, wire.MaxMessage)
	n, _, err := ours.Receive(buf)
	require.NoError(t, err)
	require.Equal(t, wire.AppendShrink(nil, 7), buf[:n])
}

// A worker ignores blocks that it does not know, and hears of a refusal.
func TestResultArena(t *testing.T) {
	run, err := shm.NewRun()
	require.NoError(t, err)
	defer run.Close()
	ours, theirs := proc.LocalPair()
	r := newResultArena(theirs, 0, nil)
	asked := make(chan int64)
	go func() {
		buf := make([]byte, wire.MaxMessage)
		for {
			n, _, err := ours.Receive(buf)
			if err != nil {
				return
			}
			bytes, _ := wire.ReadGrow(buf[:n])
			asked <- bytes
		}
	}()
	defer ours.Close()
	go func() { // a refusal, and another for less
		for range 2 {
			<-asked
			why, _ := wire.ReadRefuse(wire.AppendRefuse(nil, fmt.Errorf("pool: %w", shm.ErrFull)))
			r.grown(0, nil, why)
		}
		seg, err := run.Create(<-asked)
		r.grown(5, seg, err)
	}()
	_, err = shm.Make[byte](r.arena, 100)
	require.ErrorIs(t, err, shm.ErrFull)
	x, err := shm.Make[byte](r.arena, 100)
	require.NoError(t, err)
	v := x.View()
	w, err := r.ref(&v)
	require.NoError(t, err)
	r.finish(true)
	require.Equal(t, int64(128), r.arena.Stats().Live)
	known := wire.Allocation{Segment: 5, Generation: w.Ref.Generation, Offset: w.Ref.Offset}
	for range 3 {
		r.freed([]wire.Allocation{
			{Segment: 4, Generation: known.Generation, Offset: known.Offset},
			{Segment: 5, Generation: known.Generation + 1, Offset: known.Offset},
			{Segment: 5, Generation: known.Generation, Offset: 64},
		})
	}
	require.Equal(t, int64(128), r.arena.Stats().Live)
	r.freed([]wire.Allocation{known, known, known}) // it is there once
	require.Zero(t, r.arena.Stats().Live)
	require.NoError(t, r.grown(0, nil, errors.New("one")))
	require.ErrorIs(t, r.grown(0, nil, errors.New("two")), wire.ErrMalformed, "an answer to nothing")
}
