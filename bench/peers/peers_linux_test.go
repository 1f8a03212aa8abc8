package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/bench/stat"
	"example.com/handoff/shm/shmtest"
)

// Each way answers right, again and again, and ends. What it measures is not
// looked at: a wrong answer is its error.
func TestSides(t *testing.T) {
	both := func(ours, theirs stat.Side, err error) (stat.Side, error) {
		return func(ctx context.Context) (float64, error) {
			if v, err := ours(ctx); err != nil {
				return v, err
			}
			return theirs(ctx)
		}, err
	}
	for name, begin := range map[string]func(ctx context.Context, s *session) (stat.Side, error){
		"task":     func(ctx context.Context, s *session) (stat.Side, error) { return s.taskTrips(ctx, s.hot) },
		"channels": func(_ context.Context, s *session) (stat.Side, error) { return s.hot(s.channels()), nil },
		"pipe": func(_ context.Context, s *session) (stat.Side, error) {
			trip, err := s.pipe()
			return s.hot(trip), err
		},
		"go-plugin":  func(ctx context.Context, s *session) (stat.Side, error) { return s.program(ctx, "goplugin") },
		"shmipc-go":  func(ctx context.Context, s *session) (stat.Side, error) { return s.program(ctx, "shmipc") },
		"gob":        func(_ context.Context, s *session) (stat.Side, error) { return s.gob(2) },
		"one by one": func(ctx context.Context, s *session) (stat.Side, error) { return s.oneByOne(ctx) },
		"messages":   func(_ context.Context, s *session) (stat.Side, error) { return s.messages(), nil },
		"range":      func(ctx context.Context, s *session) (stat.Side, error) { return s.ranged(ctx, 2, 100) },
		"goroutines": func(_ context.Context, s *session) (stat.Side, error) { return s.goroutines(2, 100), nil },
		"sums": func(ctx context.Context, s *session) (stat.Side, error) {
			ours, err := s.residentSum(ctx, 64<<10)
			return both(ours, s.goroutineSum(64<<10), err)
		},
		"handoff": func(ctx context.Context, s *session) (stat.Side, error) {
			p, err := s.pool(ctx, 1)
			if err != nil {
				return nil, err
			}
			return s.handoff(ctx, p, 64<<10)
		},
		"death, a new worker":   func(ctx context.Context, s *session) (stat.Side, error) { return s.death(ctx, 1) },
		"death, an idle worker": func(ctx context.Context, s *session) (stat.Side, error) { return s.death(ctx, 2) },
		"spawn":                 func(_ context.Context, s *session) (stat.Side, error) { return s.spawn, nil },
		"python, tiny": func(ctx context.Context, s *session) (stat.Side, error) {
			return s.python(ctx, request{Op: "tiny", Trips: 3})
		},
		"python, resident": func(ctx context.Context, s *session) (stat.Side, error) {
			return s.python(ctx, request{Op: "resident", Trips: 3, Bytes: 1 << 20})
		},
		"python, pickle": func(ctx context.Context, s *session) (stat.Side, error) {
			return s.python(ctx, request{Op: "pickle", Trips: 3, Bytes: 1 << 20})
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSession(true, -1)
			defer func() { require.NoError(t, s.close()) }()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			take, err := begin(ctx, s)
			if err != nil && skipped(err) != "" {
				t.Skip(err)
			}
			require.NoError(t, err)
			for range 3 {
				v, err := take(ctx)
				require.NoError(t, err)
				require.Positive(t, v)
			}
		})
	}
}

func TestRemoteSaysWhatIsWrong(t *testing.T) {
	s := newSession(true, -1)
	defer s.close()
	take, err := s.python(context.Background(), request{Op: "nonsense"})
	if err != nil {
		t.Skip(err)
	}
	_, err = take(context.Background())
	require.ErrorContains(t, err, "no attribute 'nonsense'")
}

// A child that does not end with its input is killed, and so is what it started.
func TestChildIsEnded(t *testing.T) {
	s := newSession(true, -1)
	c, err := s.start(exec.Command("sh", "-c", "sleep 600 & echo $!; wait"))
	require.NoError(t, err)
	line, err := bufio.NewReader(c.out).ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, s.close())
	require.NotNil(t, c.cmd.ProcessState)
	require.Eventually(t, func() bool { // it may be nobody's zombie for a while
		b, err := os.ReadFile("/proc/" + strings.TrimSpace(line) + "/stat")
		return err != nil || bytes.Contains(b, []byte(") Z "))
	}, 10*time.Second, 10*time.Millisecond)
}

// Where either process of a program that measures a library is killed, the other
// one ends too, and nothing is left.
func TestProgramIsEnded(t *testing.T) {
	for _, name := range []string{"shmipc", "goplugin"} {
		for i, killed := range []string{"one process", "the other", "none"} {
			t.Run(name+", killed: "+killed, func(t *testing.T) {
				tag := "PEERS_TEST_TAG=" + t.Name()
				temp, err := os.MkdirTemp("/tmp", "peers") // the name of a socket must be short
				require.NoError(t, err)
				defer os.RemoveAll(temp)
				t.Setenv("PEERS_TEST_TAG", t.Name())
				t.Setenv("TMPDIR", temp)
				s := newSession(true, -1)
				defer s.close()
				ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
				defer cancel()
				take, err := s.program(ctx, name)
				require.NoError(t, err)
				_, err = take(ctx)
				require.NoError(t, err)
				both := tagged(tag)
				require.Len(t, both, 2)
				if i < len(both) {
					pid, err := strconv.Atoi(strings.Split(both[i], "/")[2])
					require.NoError(t, err)
					require.NoError(t, syscall.Kill(pid, syscall.SIGKILL))
					_, err = take(ctx)
					require.Error(t, err)
					_ = s.close()
				}
				require.NoError(t, s.close())
				require.Eventually(t, func() bool { return len(tagged(tag)) == 0 }, 30*time.Second, 10*time.Millisecond)
				left, err := os.ReadDir(temp)
				require.NoError(t, err)
				require.Empty(t, left)
			})
		}
	}
}

// The program prints what the rows say, as JSON and nothing else.
func TestCommand(t *testing.T) {
	var stdout, stderr bytes.Buffer
	t.Setenv("PATH", "") // without Go there is no program for shmipc-go
	code := command([]string{"-quick", "-rows", "unbuffered,one core: round trip / os.Pipe,shmipc", "-json", "-"}, &stdout, &stderr)
	require.Zero(t, code, stderr.String())
	require.Empty(t, stderr.String())
	var got report
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &got), stdout.String())
	require.True(t, got.Quick)
	require.Len(t, got.Rows, 4)
	for _, r := range got.Rows {
		if strings.Contains(r.Name, "shmipc") {
			require.Contains(t, r.Skipped, "go build: ")
			require.Nil(t, r.Summary)
			continue
		}
		require.NotNil(t, r.Summary, r.Name)
		require.Equal(t, 3, r.Samples)
		require.Positive(t, r.Ratio)
		require.LessOrEqual(t, r.Min, r.Ratio)
		require.GreaterOrEqual(t, r.Max, r.Ratio)
		require.NotNil(t, r.Met)
		require.Equal(t, goal{r.Goal, r.Least}.met(r.Ratio), *r.Met)
	}
}

func TestCommandTable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "table.json")
	var stdout, stderr bytes.Buffer
	code := command([]string{"-quick", "-samples", "1", "-rows", "unbuffered", "-json", file}, &stdout, &stderr)
	require.Zero(t, code, stderr.String())
	lines := 0
	for line := range strings.Lines(stdout.String()) {
		if strings.HasPrefix(line, "tiny task, hot: round trip / unbuffered channels") {
			lines++
			require.Contains(t, line, "≤ 1.00")
		}
	}
	require.Equal(t, 1, lines, stdout.String())
	b, err := os.ReadFile(file)
	require.NoError(t, err)
	require.True(t, json.Valid(b))
}

func TestCommandRefuses(t *testing.T) {
	for _, args := range [][]string{{"-rows", "nonsense"}, {"-samples", "0"}, {"unbuffered"}, {"-nonsense"}} {
		var stdout, stderr bytes.Buffer
		require.Equal(t, 2, command(args, &stdout, &stderr), "%q", args)
		require.Empty(t, stdout.String())
		require.NotEmpty(t, stderr.String())
	}
}

// A signal in the middle of a row leaves no process and no file; after a SIGKILL
// the row's process sees to that by itself.
func TestSignals(t *testing.T) {
	if !shmtest.Private(t, "size=512m") {
		return
	}
	for _, tt := range []struct {
		signal syscall.Signal
		row    string
		file   string // in /dev/shm, that says that the row is measured
	}{
		{syscall.SIGINT, "Python's shared_memory", "psm_*"},
		{syscall.SIGTERM, "64 KiB", "handoff-*-[0-9]"},
		{syscall.SIGKILL, "Python's shared_memory", "psm_*"},
		{syscall.SIGKILL, "64 KiB", "handoff-*-[0-9]"},
	} {
		t.Run(tt.signal.String()+" "+tt.row, func(t *testing.T) {
			if _, err := findPython(context.Background()); err != nil && strings.HasPrefix(tt.row, "Python") {
				t.Skip(err)
			}
			tag, temp := "PEERS_TEST_TAG="+t.Name(), t.TempDir()
			cmd := exec.Command("/proc/self/exe", "-samples", "1000000", "-rows", tt.row)
			cmd.Env = append(os.Environ(), tag, "PEERS_TEST_COMMAND=1", "TMPDIR="+temp)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			require.NoError(t, cmd.Start())
			defer cmd.Process.Kill()
			require.Eventually(t, func() bool {
				found, _ := filepath.Glob("/dev/shm/" + tt.file)
				return len(found) > 0
			}, time.Minute, 10*time.Millisecond)
			require.NotEmpty(t, tagged(tag))
			require.NoError(t, cmd.Process.Signal(tt.signal))
			_ = cmd.Wait()
			if tt.signal != syscall.SIGKILL {
				require.Equal(t, 130, cmd.ProcessState.ExitCode(), stderr.String())
				require.Equal(t, "peers: interrupted\n", stderr.String())
				require.Empty(t, tagged(tag))
			}
			left := func() []string { found, _ := filepath.Glob("/dev/shm/*"); return append(found, tagged(tag)...) }
			require.Eventually(t, func() bool { return len(left()) == 0 }, 30*time.Second, 50*time.Millisecond, "left: %v", left())
			found, err := os.ReadDir(temp)
			require.NoError(t, err)
			require.Empty(t, found)
		})
	}
}

// tagged lists the processes that have tag in their environment: workers do not,
// but end with who has.
func tagged(tag string) (found []string) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil && bytes.Contains(b, []byte(tag)) {
			found = append(found, file)
		}
	}
	return found
}
