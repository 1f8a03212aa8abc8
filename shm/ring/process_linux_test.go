package ring

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm"
)

const echoSlots = 256

// An echo is what two processes share: a ring each way, and a doorbell for each.
//
//	0 parent's doorbell · 64 child's doorbell · 128 ring to the child · … ring back
type echo struct {
	out        *Producer
	in         *Consumer
	mine, peer *Doorbell
	buf        []byte
}

func echoBytes() int { return 2*DoorbellBytes + 2*Size(echoSlots) }

func newEcho(t require.TestingT, mem []byte, parent bool) *echo {
	doorbells := [2]*Doorbell{}
	for i := range doorbells {
		var err error
		doorbells[i], err = NewDoorbell(mem[i*DoorbellBytes : (i+1)*DoorbellBytes])
		require.NoError(t, err)
	}
	there, back := mem[2*DoorbellBytes:2*DoorbellBytes+Size(echoSlots)], mem[2*DoorbellBytes+Size(echoSlots):echoBytes()]
	if !parent {
		there, back = back, there
		doorbells[0], doorbells[1] = doorbells[1], doorbells[0]
	}
	out, err := NewProducer(there)
	require.NoError(t, err)
	in, err := NewConsumer(back)
	require.NoError(t, err)
	return &echo{out, in, doorbells[0], doorbells[1], buffer(in)}
}

type failNow struct{}

func (failNow) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
func (failNow) FailNow()                          { os.Exit(1) }

// TestMain turns the test binary into the child, which sends back what it gets
// until its parent is gone.
func TestMain(m *testing.M) {
	name := os.Getenv("RING_TEST_ECHO")
	if name == "" {
		os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
		os.Exit(m.Run())
	}
	seg, err := shm.AttachFile(os.NewFile(3, name), name, int64(echoBytes()), shm.ReadWrite)
	require.NoError(failNow{}, err)
	a, err := shm.BindArray[byte](seg, shm.Ref{Segment: name, DType: shm.Uint8, Shape: shapeOf(int(seg.Size()))})
	require.NoError(failNow{}, err)
	e := newEcho(failNow{}, a.Data(), false)
	after, _ := strconv.Atoi(os.Getenv("RING_TEST_DIE_AFTER"))
	buf := buffer(e.in)
	for n, parent := 0, os.Getppid(); os.Getppid() == parent; {
		if !e.mine.Wait(e.in.Ready, 100*time.Millisecond) {
			continue
		}
		for {
			record, ok := e.in.Take(buf)
			if !ok {
				break
			}
			if n++; n == after {
				unix.Kill(os.Getpid(), unix.SIGKILL)
			}
			for !put(e.out, record) {
				schedYield()
			}
		}
		e.out.Publish()
		e.peer.Notify()
	}
	os.Exit(0)
}

func shapeOf(n int) shm.Shape { s, _ := shm.ShapeOf(n); return s }

// startEcho starts a child; it is killed at the end of the test.
func startEcho(t testing.TB, dieAfter int) (*echo, *exec.Cmd) {
	t.Helper()
	run, err := shm.NewRun()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, run.Close()) })
	seg, err := run.CreateAnonymous(int64(echoBytes()), shm.ReadWrite)
	require.NoError(t, err)
	a, err := shm.BindArray[byte](seg, shm.Ref{Segment: seg.Name(), DType: shm.Uint8, Shape: shapeOf(echoBytes())})
	require.NoError(t, err)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), "RING_TEST_ECHO="+seg.Name(), fmt.Sprintf("RING_TEST_DIE_AFTER=%d", dieAfter))
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{seg.File()}
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); a.Release() })
	return newEcho(t, a.Data(), true), cmd
}

// ask sends n and waits for it to come back.
func (e *echo) ask(t testing.TB, n uint64) {
	var buf [8]byte
	binary.LittleEndian.PutUint64(buf[:], n)
	if !put(e.out, buf[:8]) {
		t.Fatal("full", e.out.Err())
	}
	e.out.Publish()
	e.peer.Notify()
	got, ok := e.in.Take(e.buf)
	for ; !ok; got, ok = e.in.Take(e.buf) {
		if !e.mine.Wait(e.in.Ready, time.Minute) && e.in.Err() != nil {
			t.Fatal(e.in.Err())
		}
	}
	if back := binary.LittleEndian.Uint64(got); back != n {
		t.Fatalf("sent %d, got %d", n, back)
	}
}

// Records cross to another process and back, to a peer that is awake and to one
// that sleeps.
func TestOtherProcess(t *testing.T) {
	e, _ := startEcho(t, 0)
	for i := range uint64(2000) {
		if i%100 == 0 {
			time.Sleep(2 * time.Millisecond) // both sleep
		}
		e.ask(t, i)
	}
}

// The peer dies in the middle: what it had sent is there, waiting ends by its
// bound, and the ring says nothing worse than that it is full.
func TestDeadPeer(t *testing.T) {
	e, cmd := startEcho(t, 100)
	for i := range uint64(99) {
		e.ask(t, i)
	}
	sent := 0
	for put(e.out, make([]byte, 8)) {
		sent++
	}
	e.out.Publish()
	e.peer.Notify()
	require.Error(t, cmd.Wait())
	require.False(t, e.mine.Wait(e.in.Ready, 10*time.Millisecond))
	for put(e.out, make([]byte, 8)) {
		sent++
	}
	require.LessOrEqual(t, sent, 2*echoSlots)
	e.out.Publish()
	e.peer.Notify() // nobody is there: asleep may be set for ever
	require.NoError(t, e.in.Err())
	require.NoError(t, e.out.Err())
}

// BenchmarkPingPong is one record to another process and back, taking turns with
// an unbuffered channel there and back; x-channel is the median of the ratios.
func BenchmarkPingPong(b *testing.B) {
	const rounds = 2000
	e, _ := startEcho(b, 0)
	e.ask(b, 0)
	there, back := make(chan uint64), make(chan uint64)
	go func() {
		for n := range there {
			back <- n
		}
	}()
	defer close(there)
	var ring, channel []time.Duration
	var ratios []float64
	for b.Loop() {
		began := time.Now()
		for i := range uint64(rounds) {
			e.ask(b, i)
		}
		one := time.Since(began) / rounds
		began = time.Now()
		for i := range uint64(rounds) {
			there <- i
			<-back
		}
		two := time.Since(began) / rounds
		ring, channel = append(ring, one), append(channel, two)
		ratios = append(ratios, float64(one)/float64(two))
	}
	slices.Sort(ring)
	slices.Sort(channel)
	slices.Sort(ratios)
	mid := len(ratios) / 2
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(ring[mid].Nanoseconds()), "ns-ring")
	b.ReportMetric(float64(channel[mid].Nanoseconds()), "ns-channel")
	b.ReportMetric(ratios[mid], "x-channel")
}

// BenchmarkThroughput is records through a ring within this process, published
// by one and by 64.
func BenchmarkThroughput(b *testing.B) {
	for _, batch := range []int{1, 64} {
		b.Run(fmt.Sprintf("batch=%d", batch), func(b *testing.B) {
			p, c, _ := pair(b, 1024)
			done := make(chan struct{})
			go func() {
				defer close(done)
				buf := buffer(c)
				for i := 0; i < b.N; {
					if _, ok := c.Take(buf); ok {
						i++
					} else {
						pause(1)
					}
				}
			}()
			record := make([]byte, inlineBytes)
			for i := range b.N {
				for !put(p, record) {
					if len(p.unpublished) > 0 {
						p.Publish()
					}
					pause(1)
				}
				if i%batch == batch-1 {
					p.Publish()
				}
			}
			p.Publish()
			<-done
		})
	}
}
