package wire

import (
	"math"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What is told lies within the life of the worker, whatever it says.
func TestClamp(t *testing.T) {
	born := time.Unix(1000, 0)
	now := born.Add(time.Minute)
	at := func(d time.Duration) int64 { return born.Add(d).UnixNano() }
	cores := time.Duration(runtime.NumCPU())
	honest := Usage{Start: at(10 * time.Second), Wall: time.Second, CPU: time.Second / 2, Private: 1 << 20}
	for name, row := range map[string]struct{ says, want Usage }{
		"honest":       {honest, honest},
		"all least":    {Usage{math.MinInt64, math.MinInt64, math.MinInt64, math.MinInt64}, Usage{Start: at(0)}},
		"all most":     {Usage{math.MaxInt64, math.MaxInt64, math.MaxInt64, math.MaxInt64}, Usage{at(0), time.Minute, time.Minute * cores, MaxPrivate}},
		"zero":         {Usage{}, Usage{Start: at(0)}},
		"future":       {Usage{Start: math.MaxInt64, Wall: time.Second}, Usage{Start: at(59 * time.Second), Wall: time.Second}},
		"past":         {Usage{Start: 1, Wall: time.Second}, Usage{Start: at(0), Wall: time.Second}},
		"busier":       {Usage{Start: at(0), Wall: time.Second, CPU: time.Hour * 10000}, Usage{Start: at(0), Wall: time.Second, CPU: time.Second * cores}},
		"no time":      {Usage{Start: at(time.Second), CPU: 1 << 40}, Usage{Start: at(time.Second)}},
		"largest wall": {Usage{Start: at(time.Second), Wall: math.MaxInt64}, Usage{Start: at(0), Wall: time.Minute}},
	} {
		require.Equal(t, row.want, row.says.Clamp(born, now), name)
	}
	require.Equal(t, Usage{Start: at(-time.Second)}, honest.Clamp(born, born.Add(-time.Second)).withoutPrivate(), "the clock was set back")
}

func (u Usage) withoutPrivate() Usage { u.Private = 0; return u }

func FuzzUsage(f *testing.F) {
	f.Add(Usage{1, 2, 3, 4}.Append(nil), int64(0), int64(1))
	f.Add(Usage{math.MinInt64, -1, math.MaxInt64, -1}.Append([]byte("record")), int64(5), int64(4))
	f.Fuzz(func(t *testing.T, b []byte, from, to int64) {
		from, to = from>>2, to>>2 // what time.Time can tell apart
		rest, u, ok := CutUsage(b)
		require.Equal(t, len(b) >= usageBytes, ok)
		if !ok {
			return
		}
		require.Equal(t, b, u.Append(append([]byte(nil), rest...)))
		u = u.Clamp(time.Unix(0, from), time.Unix(0, to))
		require.GreaterOrEqual(t, u.Start, min(from, to))
		require.LessOrEqual(t, u.Start, to)
		require.LessOrEqual(t, u.Start+int64(u.Wall), to)
		require.GreaterOrEqual(t, u.Wall, time.Duration(0))
		require.GreaterOrEqual(t, u.CPU, time.Duration(0))
		require.LessOrEqual(t, u.CPU/time.Duration(runtime.NumCPU()), u.Wall)
		require.GreaterOrEqual(t, u.Private, int64(0))
	})
}
