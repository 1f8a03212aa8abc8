package codec

import (
	"reflect"
	"runtime/debug"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A cached is a Cache with Blocks of words, in shared memory.
type cached struct {
	*Cache
	t    *testing.T
	plan *Plan
	mem  []byte
	held Held
}

var cachedWords = []string{"a", "b"}

func newCached(t *testing.T) *cached {
	c := &cached{t: t}
	c.Cache = NewCache(&c.held)
	var err error
	c.plan, err = SharedPlan(reflect.TypeFor[[]string]())
	require.NoError(t, err)
	c.mem, err = unix.Mmap(-1, 0, 1<<16, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
	require.NoError(t, err)
	b := encodedBlock(t, c.plan, reflect.ValueOf(&cachedWords).Elem())
	c.mem = c.mem[:HeaderBytes+copy(c.mem[HeaderBytes:], b)]
	t.Cleanup(func() {
		c.EndTask()
		c.Close()
		require.Zero(t, c.held.Load())
		unix.Munmap(c.mem[:cap(c.mem)])
	})
	Mark(c.mem)
	return c
}

// use reads a Block as the running task.
func (c *cached) use(segment, generation uint32, offset int64) (*Made, *[]string) {
	m := c.Cache.use(blockKey{c.plan, segment, generation, offset, int64(len(c.mem))}, markIn(c.mem))
	got := readInPlace[[]string](c.t, m, c.mem[HeaderBytes:])
	require.Equal(c.t, &cachedWords, got)
	return m, got
}

// A Cache keeps what was made until its segment is retired, or it is too much.
func TestCache(t *testing.T) {
	c := newCached(t)
	first, _ := c.use(1, 1, 0)
	require.EqualValues(t, minSpine, c.held.Load())
	c.EndTask()
	if Poisons {
		require.Zero(t, c.held.Load())
		return
	}
	again, _ := c.use(1, 1, 0)
	require.Same(t, first, again)
	c.use(1, 2, 64)
	c.EndTask()
	require.EqualValues(t, 2*minSpine, c.Bytes())
	c.use(1, 1, 0)
	c.Retire(1)
	require.NotNil(t, first.memo.Load(), "the task still uses it")
	c.EndTask()
	require.Nil(t, first.memo.Load())
	require.Zero(t, c.Bytes())
	require.Zero(t, c.held.Load())
	for i := range maxCached + 10 {
		c.use(2, 1, int64(i)<<10)
		c.EndTask()
	}
	require.Len(t, c.made, maxCached)
	require.Zero(t, c.made[blockKey{c.plan, 2, 1, 0, int64(len(c.mem))}])
}

// What was made of a Block goes when its memory is free, though nobody says so.
func TestCacheSweeps(t *testing.T) {
	c := newCached(t)
	for i := range uint32(1000) {
		Mark(c.mem)
		c.use(1, i, 0)
		c.EndTask()
		require.Less(t, c.held.Load(), uint64(20*minSpine))
	}
	Mark(c.mem)
	c.use(1, 1000, 0)
	c.mu.Lock()
	require.NotNil(t, c.sweeper)
	c.mu.Unlock()
	markIn(c.mem).clear()
	c.sweep()
	require.NotZero(t, c.held.Load(), "the task still uses it")
	c.EndTask()
	for end := time.Now().Add(time.Minute); c.held.Load() > 0; time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(end), "nothing sweeps")
	}
}

// Where values are poisoned, they lie in a mapping that ends with the task, and with it
// alone.
func TestCachePoisons(t *testing.T) {
	c := newCached(t)
	m, got := c.use(1, 1, 0)
	if !Poisons {
		require.Nil(t, m.memo.Load().pages)
		return
	}
	words := *got
	letter := words[1]
	c.EndTask()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	fault := func(f func()) (r any) {
		defer func() { r = recover() }()
		f()
		return nil
	}
	sink := 0
	require.True(t, c.Ended(fault(func() { sink += int(letter[0]) })), "bytes of a string")
	require.True(t, c.Ended(fault(func() { sink += len(words[0]) })), "a spine")
	require.False(t, c.Ended(fault(func() { panic("another") })))
	c.use(1, 1, 0)
}
