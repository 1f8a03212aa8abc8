package pool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// sentinels are the errors that a worker names to the supervisor, in a failure. Like the
// registry of functions they are written by package-level variables.
var sentinels = struct {
	mu     sync.Mutex
	byName map[string]error
}{byName: map[string]error{
	"context.Canceled":         context.Canceled,
	"context.DeadlineExceeded": context.DeadlineExceeded,
	"pool.ErrTooLarge":         ErrTooLarge,
	"shm.ErrName":              shm.ErrName,
	"shm.ErrClosed":            shm.ErrClosed,
	"shm.ErrFull":              shm.ErrFull,
	"shm.ErrTooLarge":          shm.ErrTooLarge,
	"shm.ErrReleased":          shm.ErrReleased,
	"shm.ErrStale":             shm.ErrStale,
	"shm.ErrForeign":           shm.ErrForeign,
}}

// ofPool say what has become of a task in this pool: no task says that of itself.
var ofPool = []error{ErrClosed, ErrFull, ErrWaited, ErrCancelled, ErrNoMain, ErrWorkerDied}

// RegisterError lets err survive the way back from a worker: where a function returns an
// error that is err, or wraps it, as [errors.Is] sees it, so does the [*TaskError] that the
// caller gets. It returns err. Call it in a package-level variable, so that supervisor and
// workers know the same errors:
//
//	var ErrStale = pool.RegisterError("quotes.ErrStale", errors.New("quotes are stale"))
//
// An error that one of the two does not know travels as text alone. Those of packages context
// and shm, and [ErrTooLarge], are registered. RegisterError panics if there is no name, or
// it has more than 255 bytes, or it is that of another error, and if err is nil, not
// comparable, or one of this package that says what has become of a task ([ErrCancelled]).
func RegisterError(name string, err error) error {
	sentinels.mu.Lock()
	defer sentinels.mu.Unlock()
	known := sentinels.byName[name]
	switch {
	case name == "" || len(name) > wire.MaxSentinelName:
		panic(fmt.Sprintf("pool: the name %q of an error has %d bytes, expected 1 to %d", name, len(name), wire.MaxSentinelName))
	case err == nil || !reflect.ValueOf(err).Comparable():
		panic(fmt.Sprintf("pool: error %q is %#v, expected one that is comparable", name, err))
	case known != nil && known != err:
		panic(fmt.Sprintf("pool: error %q is registered twice, as %q and as %q", name, known, err))
	case slices.ContainsFunc(ofPool, func(own error) bool { return errors.Is(err, own) }):
		panic(fmt.Sprintf("pool: error %q is not a task's to return: %v", name, err))
	}
	sentinels.byName[name] = err
	return err
}

// sentinelsIn are the names of the registered errors that err is or wraps.
func sentinelsIn(err error) (names []string) {
	sentinels.mu.Lock()
	known := maps.Clone(sentinels.byName) // err may have an Is method
	sentinels.mu.Unlock()
	for name, sentinel := range known {
		if errors.Is(err, sentinel) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// sentinelOf is what an error unwraps to that is or wraps the errors of these names; nil if
// none is registered here.
func sentinelOf(names []string) error {
	sentinels.mu.Lock()
	defer sentinels.mu.Unlock()
	var known []error
	for _, name := range names {
		if err := sentinels.byName[name]; err != nil {
			known = append(known, err)
		}
	}
	if len(known) == 1 {
		return known[0]
	}
	return errors.Join(known...)
}
