package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

type streamIn struct {
	Payload  string
	Strategy string
	Dir      string // of the FIFOs and the socket
	Touch    string
	MaxBytes int64
}

// serveStream is the peer of a strategy over a stream: it answers values until
// the stream ends and returns how many.
var serveStream = pool.Func("bench.stream", func(t *pool.Task, in streamIn) (int64, error) {
	p, err := payloadNamed(in.Payload)
	if err != nil {
		return 0, err
	}
	c, err := dial(in.Strategy, in.Dir)
	if err != nil {
		return 0, err
	}
	n, err := serve(t.Context(), c, p, in)
	return n, errors.Join(err, c.Close())
})

func serve(ctx context.Context, c conn, p *payload, in streamIn) (n int64, err error) {
	defer interrupt(ctx, c)()
	f := newFormat(p, in.Strategy, c, in.MaxBytes)
	for ; ; n++ {
		seq, v, err := f.read()
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("value %d: %w", n, err)
		}
		h, err := p.touch.of(v, Touch(in.Touch))
		if err == nil {
			err = f.writeAnswer(reply(h, seq))
		}
		if err != nil {
			return n, fmt.Errorf("answer %d: %w", n, err)
		}
	}
}

// An asked is what goes with a value that a task gets: which payload it is of, its sequence
// number, and how it is touched.
type asked struct {
	Seq     uint64
	Payload int32
	Touch   int32 // index in touches
}

var touches = []Touch{TouchSum, TouchEnds, TouchFunc}

type touchOut struct {
	Value uint64
	PID   int64
}

// self is this process: asking the kernel costs as much as a small handoff's third.
var self = int64(os.Getpid())

// touched is the answer to a value that read returns the checksum of.
func (a asked) touched(read func(t *toucher, touch Touch) (uint64, error)) (touchOut, error) {
	all := numbered()
	if a.Payload < 0 { // who is asked for its pid
		return touchOut{PID: self}, nil
	}
	if int(a.Payload) >= len(all) || uint32(a.Touch) >= uint32(len(touches)) {
		return touchOut{}, fmt.Errorf("payload %d of %d, touch %d", a.Payload, len(all), a.Touch)
	}
	h, err := read(&all[a.Payload].touch, touches[a.Touch])
	return touchOut{reply(h, a.Seq), self}, err
}

type viewIn[E shm.Element] struct {
	X shm.View[E]
	asked
}

// A viewPeer hands over slices of one dtype as views.
type viewPeer interface {
	// put copies b into an arena.
	put(a *shm.Arena, b []byte) (madeArray, error)
	// bind is the array that ref describes in seg.
	bind(seg *shm.Segment, ref shm.Ref) (madeArray, error)
	call(ctx context.Context, p *pool.Pool, x madeArray, a asked) (touchOut, error)
}

// A madeArray is an array in shared memory of this process.
type madeArray interface {
	Bytes() []byte
	Release()
	view() shm.Binder
}

// An arrayOf is a madeArray.
type arrayOf[E shm.Element] struct{ shm.Array[E] }

func (a arrayOf[E]) view() shm.Binder {
	v := a.View()
	return &v
}

type peerOf[E shm.Element] struct{ fn *pool.Fn[viewIn[E], touchOut] }

func newViewPeer[E shm.Element]() viewPeer {
	return peerOf[E]{pool.Func("bench.view-"+shm.DTypeOf[E]().String(), func(_ *pool.Task, in viewIn[E]) (touchOut, error) {
		return in.touched(func(t *toucher, touch Touch) (uint64, error) { return touchSlice(t, in.X.Data(), touch) })
	})}
}

func (peerOf[E]) put(a *shm.Arena, b []byte) (madeArray, error) {
	x, err := shm.PutCopy(a, cast[E](b))
	return &arrayOf[E]{x}, err
}

func (peerOf[E]) bind(seg *shm.Segment, ref shm.Ref) (madeArray, error) {
	x, err := shm.BindArray[E](seg, ref)
	return &arrayOf[E]{x}, err
}

func (o peerOf[E]) call(ctx context.Context, p *pool.Pool, x madeArray, a asked) (touchOut, error) {
	return o.fn.Call(ctx, p, viewIn[E]{x.(*arrayOf[E]).View(), a})
}

var viewPeers = map[shm.DType]viewPeer{
	shm.Bool:       newViewPeer[bool](),
	shm.Int8:       newViewPeer[int8](),
	shm.Int16:      newViewPeer[int16](),
	shm.Int32:      newViewPeer[int32](),
	shm.Int64:      newViewPeer[int64](),
	shm.Uint8:      newViewPeer[uint8](),
	shm.Uint16:     newViewPeer[uint16](),
	shm.Uint32:     newViewPeer[uint32](),
	shm.Uint64:     newViewPeer[uint64](),
	shm.Float32:    newViewPeer[float32](),
	shm.Float64:    newViewPeer[float64](),
	shm.Complex64:  newViewPeer[complex64](),
	shm.Complex128: newViewPeer[complex128](),
}

// A viewSet is the views of a value that is several slices. Its meta bytes are, little-endian,
// a uint32 for each column, how many slices it has plus 1 or 0 for none at all, and a byte for
// each slice: its dtype, or 0 where it is nil.
type viewSet struct {
	counts []int
	views  []shm.Binder // *View[E]
	meta   []byte       // of the slices
}

type viewsIn struct {
	X viewSet
	asked
}

var touchViews = pool.Func("bench.views", func(_ *pool.Task, in viewsIn) (touchOut, error) {
	return in.touched(func(t *toucher, touch Touch) (uint64, error) {
		v, err := in.X.value(t)
		if err != nil {
			return 0, err
		}
		return t.of(v, touch)
	})
})

// Carry implements [shm.Carrier].
func (s *viewSet) Carry(meta []byte) (_ []byte, arrays []shm.Binder, err error) {
	meta = binary.LittleEndian.AppendUint32(meta, uint32(len(s.counts)))
	for _, n := range s.counts {
		meta = binary.LittleEndian.AppendUint32(meta, uint32(n+1))
	}
	return append(meta, s.meta...), s.views, nil
}

// Receive implements [shm.Carrier].
func (s *viewSet) Receive(meta []byte, arrays []shm.Binder) error {
	words := func(n int) []uint32 {
		var w []uint32
		for ; n > 0 && len(meta) >= 4; n, meta = n-1, meta[4:] {
			w = append(w, binary.LittleEndian.Uint32(meta))
		}
		return w
	}
	if head := words(1); len(head) == 1 {
		for _, n := range words(int(head[0])) {
			s.counts = append(s.counts, int(n)-1)
		}
	}
	s.meta, s.views = append([]byte(nil), meta...), arrays
	if len(s.meta) != len(arrays) {
		return fmt.Errorf("%d views and %d bytes about them", len(arrays), len(s.meta))
	}
	return nil
}

// value is a *T of slices over the views.
func (s *viewSet) value(t *toucher) (any, error) {
	parts := make([]buffer, len(s.views))
	for i, v := range s.views {
		parts[i] = buffer{bytes: v.Bytes(), isNil: s.meta[i] == 0}
	}
	return assembled(t.typ, t.columns, s.counts, parts)
}
