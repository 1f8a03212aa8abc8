package bench

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"sync"
	"testing"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

// A Payload is values of one type that are handed over to measure what that costs: of
// any size, from a generator. Use it from one goroutine at a time.
type Payload[T any] struct{ p *payload }

// NewPayload registers a payload. Call it in a package-level variable: workers run the same
// binary and must know the same payloads; main and TestMain call [pool.Main].
//
// gen returns a value for any n from 1 on, in a unit of its own (rows, elements): the
// same value for the same n, and no smaller one for a larger n. It is called several times
// for each size in this process, never at the same time, and what it returns is the
// payload's: the lowest bit of a number in it changes between handoffs. The value must not
// contain itself.
//
// NewPayload panics without a generator, with a name that is taken or is not of letters,
// digits, - and _, and with a type that can't cross to another process: channels, functions,
// unsafe pointers, and what is in shared memory already.
func NewPayload[T any](name string, gen func(n int) T) *Payload[T] {
	p, err := newPayload(name, reflect.TypeFor[T]())
	if err == nil && gen == nil {
		err = fmt.Errorf("it has no generator")
	}
	if err != nil {
		panic(fmt.Sprintf("bench: payload %q: %v", name, err))
	}
	p.gen = func(n int) any { v := gen(n); return &v }
	p.encoded = func(v any) (int64, error) { return pool.Size(*v.(*T)) }
	p.byValue, p.shares = newValuePeer[T](name), newSharedPeer[T](name)
	p.register() // last: those above panic for some types
	return &Payload[T]{p}
}

// WithFunc sets what the receiver does with [TouchFunc], in a worker or a goroutine, and
// returns p: in the same package-level variable. f only reads *v, which is dead when it
// returns, and answers the same for the same value, bit by bit. The answers are compared.
func (p *Payload[T]) WithFunc(f func(v *T) float64) *Payload[T] {
	p.p.touch.run = func(v any) float64 { return f(v.(*T)) }
	return p
}

// Benchmark hands the payload over by every strategy that fits it, for sizes in bytes (nil:
// those of [Options]): one sub-benchmark for each strategy and size, under the names that
// [Report.WriteGo] prints. The receiver reads every element, or runs the function of WithFunc.
func (p *Payload[T]) Benchmark(b *testing.B, sizes ...int64) {
	if len(sizes) == 0 {
		sizes = defaultSizes
	}
	touch := TouchSum
	if p.p.touch.run != nil {
		touch = TouchFunc
	}
	names, left := p.p.split(Strategies())
	for _, l := range left {
		b.Logf("%s is left out: %s", l.Strategy, l.Why)
	}
	benchmark(b, p.p, touch, names, sizes)
}

// Measure is [Run] with the payload.
func (p *Payload[T]) Measure(ctx context.Context, opts *Options) (*Report, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	o.payload, o.File = p.p, ""
	return Run(ctx, &o)
}

// A payload is a Payload with its type erased. A value is a *T, in an any.
type payload struct {
	name    string
	typ     reflect.Type
	dtype   shm.DType // of an array's elements; 0 for other payloads
	columns []column  // where all of a value is arrays
	gen     func(n int) any
	encoded func(v any) (bytes int64, err error) // by value
	touch   toucher
	most    int       // n; 0: any
	kind    string    // the payload that workers know, if that is another
	file    *FileInfo // nil: the values are not of a file
	byValue valuePeer
	shares  sharedPeer
}

// payloads are the registered ones, written by package-level variables and read afterwards.
var payloads struct {
	mu     sync.Mutex
	byName map[string]*payload
}

var payloadName = regexp.MustCompile(`^[\pL\d_-]+$`)

func newPayload(name string, t reflect.Type) (*payload, error) {
	if !payloadName.MatchString(name) {
		return nil, fmt.Errorf("expected a name of letters, digits, - and _")
	}
	if _, err := payloadNamed(name); err == nil {
		return nil, fmt.Errorf("it is registered twice")
	}
	p := &payload{name: name, typ: t, touch: toucher{typ: t}}
	var err error
	if p.touch.visit, err = visitorOf(t, short(t)); err != nil {
		return nil, err
	}
	p.columns = columnsOf(t)
	p.touch.columns = p.columns
	if t.Kind() == reflect.Slice && len(p.columns) == 1 {
		p.dtype = p.columns[0].dtype
	}
	return p, nil
}

func (p *payload) register() {
	payloads.mu.Lock()
	defer payloads.mu.Unlock()
	if payloads.byName == nil {
		payloads.byName = map[string]*payload{}
	}
	payloads.byName[p.name] = p
}

// payloadNamed finds a payload in a worker.
func payloadNamed(name string) (*payload, error) {
	payloads.mu.Lock()
	defer payloads.mu.Unlock()
	if p := payloads.byName[name]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("no payload %q is registered here", name)
}

// numbered are the payloads by their number, which is the same in supervisor and workers.
var numbered = sync.OnceValue(func() (all []*payload) {
	payloads.mu.Lock()
	defer payloads.mu.Unlock()
	names := make([]string, 0, len(payloads.byName))
	for name := range payloads.byName {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		all = append(all, payloads.byName[name])
	}
	return all
})

// registered is the name that workers know the payload by.
func (p *payload) registered() string { return cmp.Or(p.kind, p.name) }

func (p *payload) number() int32 {
	return int32(slices.IndexFunc(numbered(), func(x *payload) bool { return x.name == p.registered() }))
}

// info describes p in a report.
func (p *payload) info(touch Touch) PayloadInfo {
	x := PayloadInfo{Name: p.name, Type: short(p.typ), Package: p.typ.PkgPath(), Touch: touch, File: p.file}
	if p.dtype != 0 {
		x.DType = p.dtype.String()
	}
	return x
}

// generate calls the generator and contains it.
func (p *payload) generate(n int) (v any, err error) {
	defer func() {
		if why := recover(); why != nil {
			v, err = nil, fmt.Errorf("payload %q: the generator panics for n = %d: %v", p.name, n, why)
		}
	}()
	v = p.gen(n)
	for x := reflect.ValueOf(v).Elem(); x.Kind() == reflect.Pointer || x.Kind() == reflect.Interface; x = x.Elem() {
		if x.IsNil() {
			return nil, fmt.Errorf("payload %q: the generator returns a nil %s for n = %d, expected a value", p.name, short(x.Type()), n)
		}
	}
	return v, nil
}

// size is the bytes of the value for n: those of an array's elements, or of another value's
// encoding by value.
func (p *payload) size(n int) (bytes int64, err error) {
	v, err := p.generate(n)
	if err != nil {
		return 0, err
	}
	if p.dtype != 0 {
		return int64(len(rawBytes(v))), nil
	}
	if bytes, err = p.encoded(v); err != nil {
		err = fmt.Errorf("payload %q: n = %d: %w", p.name, n, err)
	}
	return bytes, err
}

// fits says why a strategy does not fit p's type; "" if it does.
func (p *payload) fits(strategy string) (why string) {
	switch {
	case isGob(strategy):
		return p.gobRefuses()
	case strategy == pipeRaw || strategy == unixRaw:
		if p.typ.Kind() != reflect.Slice || !dense(p.typ.Elem()) {
			return fmt.Sprintf("raw bytes are an array without pointers and gaps, %s is none", short(p.typ))
		}
	case strategy == arrowPipe:
		return p.arrowRefuses()
	case isShared(strategy) && strategy != valued && strategy != sharedOnce:
		if p.columns == nil {
			return fmt.Sprintf("%s is not made of slices of numbers, which can lie in shared memory as they are", short(p.typ))
		}
	}
	return ""
}

// split takes the strategies apart that don't fit p.
func (p *payload) split(strategies []string) (fit []string, left []LeftOut) {
	for _, s := range strategies {
		if why := p.fits(s); why != "" {
			left = append(left, LeftOut{Strategy: s, Why: why})
		} else {
			fit = append(fit, s)
		}
	}
	return fit, left
}
