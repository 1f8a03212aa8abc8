package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

type (
	soakIn struct {
		One  Shared[sharedTable]
		Two  [2]*Shared[sharedTable]
		Many []struct {
			N  int32
			At Shared[sharedTable]
		}
		How, Mark string
	}
	soakOut struct {
		Sum  float64
		Made []struct {
			Note string
			At   *Shared[sharedTable]
		}
		Pair [2]Shared[sharedTable]
	}
)

// soakShared sums all that it is given, and does what How says, where that ends the worker
// once.
var soakShared = Func("test.soakShared", func(t *Task, in soakIn) (out soakOut, err error) {
	first := in.One.Get()
	out.Sum = first.sum()
	for _, s := range in.Two {
		if s != nil {
			out.Sum += s.Get().sum()
		}
	}
	for _, m := range in.Many {
		out.Sum += m.At.Get().sum() * float64(m.N)
	}
	if in.Mark != "" && !markOnce(in.Mark) {
		return out, nil
	}
	switch in.How {
	case "store":
		first.X[0]++
	case "store to spine":
		first.Names[1] = ""
	case "store elsewhere":
		go func() { first.X[0]++ }()
		select {}
	case "kill":
		unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	case "alias":
		out.Pair[1] = in.One
	case "make":
		for i := range out.Pair { // of memory of the input
			if out.Pair[i], err = Share(t, *first); err != nil {
				return out, err
			}
		}
		again := out.Pair[0]
		out.Made = append(out.Made, struct {
			Note string
			At   *Shared[sharedTable]
		}{"again", &again})
		_, err = Share(t, *first) // which is not returned
	}
	return out, err
})

func markOnce(name string) (first bool) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		f.Close()
	}
	return err == nil
}

// A soak is a pool with values that come and go while tasks use them.
type soak struct {
	t       *testing.T
	pool    *Pool
	random  *rand.Rand
	dir     string
	values  []soakValue
	waiting []soakTask
	deaths  int // that tasks were told to die
	made    int // results
}

type soakValue struct {
	at  Shared[sharedTable]
	sum float64
}

type soakTask struct {
	future Future[soakOut]
	how    string
	sum    float64
	first  float64 // of One alone
}

// Many tasks over many values, which are released while tasks use them, in workers that
// die: each task gets what was shared, and nothing is left.
func TestSharedSoak(t *testing.T) {
	tasks, workers, values := 400, 3, 8
	switch {
	case os.Getenv("HANDOFF_SOAK") != "":
		tasks, workers, values = 100_000, 8, 64
	case raceEnabled:
		tasks = 100
	}
	s := &soak{
		t: t, random: rand.New(rand.NewPCG(1, 2)), dir: t.TempDir(),
		pool: newPool(t, &Options{Workers: workers, Attempts: 30}),
	}
	for range values {
		s.values = append(s.values, s.value())
	}
	for i := range tasks {
		s.submit(i)
		switch r := s.random.IntN(1000); {
		case r < 150: // a value goes, and another comes
			v := &s.values[s.random.IntN(values)]
			v.at.Release()
			*v = s.value()
		case r < 153:
			s.kill()
		}
		for len(s.waiting) >= 8*workers {
			s.wait()
		}
	}
	for len(s.waiting) > 0 {
		s.wait()
	}
	for _, v := range s.values {
		v.at.Release()
	}
	stats := settled(t, s.pool)
	deaths := int64(0)
	for _, n := range stats.Deaths {
		deaths += n
	}
	t.Logf("%d tasks, %d results made, %d deaths (%d told), %d retries", tasks, s.made, deaths, s.deaths, stats.Retries)
	require.GreaterOrEqual(t, deaths, int64(s.deaths))
	require.Zero(t, stats.Unresolved)
	require.Zero(t, s.pool.Arena().Stats().Live)
	eventually(t, func() bool { return s.pool.Stats().Memory.SharedHeaders == 0 }, "what was made of values is held")
}

func (s *soak) value() soakValue {
	table := newSharedTable(1 + s.random.IntN(3000))
	at, err := Share(s.pool, table)
	require.NoError(s.t, err)
	return soakValue{at, table.sum()}
}

func (s *soak) any() *soakValue { return &s.values[s.random.IntN(len(s.values))] }

func (s *soak) submit(number int) {
	one := s.any()
	in := soakIn{One: one.at, How: s.how()}
	sum := one.sum
	for i := range in.Two {
		if v := s.any(); s.random.IntN(2) == 0 {
			in.Two[i] = &v.at
			sum += v.sum
		}
	}
	for n := range s.random.IntN(3) {
		v := s.any()
		in.Many = append(in.Many, struct {
			N  int32
			At Shared[sharedTable]
		}{int32(n), v.at})
		sum += v.sum * float64(n)
	}
	if in.How == "kill" || in.How == "store elsewhere" {
		s.deaths++
		in.Mark = filepath.Join(s.dir, fmt.Sprint(number))
	}
	f, err := soakShared.Submit(context.Background(), s.pool, in)
	require.NoError(s.t, err)
	s.waiting = append(s.waiting, soakTask{f, in.How, sum, one.sum})
}

func (s *soak) how() string {
	switch r := s.random.IntN(1000); {
	case r < 5:
		return "kill"
	case r < 10:
		return "store elsewhere"
	case r < 30:
		return "store"
	case r < 50:
		return "store to spine"
	case r < 70:
		return "alias"
	case r < 200:
		return "make"
	}
	return ""
}

// kill kills a worker from outside, whatever that does.
func (s *soak) kill() {
	for _, w := range s.pool.Stats().Workers {
		if w.State == StateRunning && s.random.IntN(2) == 0 {
			unix.Kill(w.PID, unix.SIGKILL)
			return
		}
	}
}

// wait is for the oldest task.
func (s *soak) wait() {
	task := s.waiting[0]
	s.waiting = s.waiting[1:]
	out, err := task.future.Wait(context.Background())
	var own *TaskError
	switch task.how {
	case "store", "store to spine":
		require.ErrorAs(s.t, err, &own)
		require.ErrorContains(s.t, err, "store to shared input soakIn.One: it is read-only")
		return
	case "alias":
		require.ErrorAs(s.t, err, &own)
		require.ErrorContains(s.t, err, "soakOut.Pair[1]: the array was not made in Task.Arena()")
		return
	}
	require.NoError(s.t, err)
	require.Equal(s.t, task.sum, out.Sum)
	if task.how != "make" {
		return
	}
	for _, made := range append(out.Pair[:], *out.Made[0].At) {
		s.made++
		require.Equal(s.t, task.first, made.Get().sum())
		next, err := soakShared.Call(context.Background(), s.pool, soakIn{One: made})
		require.NoError(s.t, err)
		require.Equal(s.t, task.first, next.Sum)
		made.Release()
	}
}

var takeAny = Func("test.takeAny", func(_ *Task, in struct{ Held struct{ V any } }) (int, error) { return 0, nil })

// A Shared in a map or an interface is refused, by its path.
func TestSharedRefusedInside(t *testing.T) {
	defer func() {
		require.ErrorContains(t, errors.New(fmt.Sprint(recover())), "Table.By: a View, Array, Carrier or Shared is not possible in a map")
	}()
	p := newPool(t, &Options{Workers: 1})
	s, err := Share(p, 1)
	require.NoError(t, err)
	defer s.Release()
	var in struct{ Held struct{ V any } }
	in.Held.V = s
	_, err = takeAny.Submit(context.Background(), p, in)
	require.ErrorContains(t, err, "Held.V")
	type inMap struct {
		Table struct{ By map[string][]Shared[int] }
	}
	Func("test.sharedInMap", func(*Task, inMap) (int, error) { return 0, nil })
}
