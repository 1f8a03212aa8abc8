package pool

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"sort"
	"strings"
	"sync"
	"sync/atomic"

	"example.com/handoff/pool/internal/codec"
	workerside "example.com/handoff/pool/internal/worker"
)

// The registry of functions is the only package state: written by package-level
// variables before main, read afterwards.
var registry struct {
	mu     sync.Mutex
	byName map[string]*entry
}

// An entry is a registered function with its types erased.
type entry struct {
	name    string
	in, out *codec.Plan
	grows   bool          // its tasks may ask for memory for their results
	hint    atomic.Uint32 // its number in the table that was asked last
	worker  workerside.Func
	// take decodes a result with Views into a new *Out; nil for other results.
	take func(result []byte, bind codec.BindFunc) (any, error)
}

func register(e *entry) {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if registry.byName == nil {
		registry.byName = map[string]*entry{}
	}
	if registry.byName[e.name] != nil {
		panic(fmt.Sprintf("pool: function %q is registered twice", e.name))
	}
	registry.byName[e.name] = e
}

// A table numbers the registered functions: by name, so that supervisor and
// worker, which run the same binary, agree.
type table struct {
	entries []*entry
	hash    [16]byte // of names and types
}

// maxFuncs bounds the functions: a task has 16 bits for the number of one.
const maxFuncs = 1 << 16

// number is e's.
func (t *table) number(e *entry) (uint16, bool) {
	if n := e.hint.Load(); n < uint32(len(t.entries)) && t.entries[n] == e {
		return uint16(n), true
	}
	n, known := sort.Find(len(t.entries), func(i int) int { return strings.Compare(e.name, t.entries[i].name) })
	if known = known && t.entries[n] == e && n < maxFuncs; known {
		e.hint.Store(uint32(n))
	}
	return uint16(n), known
}

// name finds the name of a number, which may come from a worker and be of no function.
func (t *table) name(fn uint16) string {
	if int(fn) < len(t.entries) {
		return t.entries[fn].name
	}
	return fmt.Sprint("function ", fn)
}

// workerFuncs are the functions for a worker, by number.
func (t *table) workerFuncs() []workerside.Func {
	funcs := make([]workerside.Func, len(t.entries))
	for i, e := range t.entries {
		funcs[i] = e.worker
	}
	return funcs
}

func newTable() *table {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	t := &table{}
	for _, e := range registry.byName {
		t.entries = append(t.entries, e)
	}
	sort.Slice(t.entries, func(i, j int) bool { return t.entries[i].name < t.entries[j].name })
	h := sha256.New()
	for _, e := range t.entries {
		fmt.Fprintf(h, "%q %v %v %t\n", e.name, e.in.Type(), e.out.Type(), e.worker.RangeRunner != nil)
	}
	copy(t.hash[:], h.Sum(nil))
	return t
}

// compile returns the plans of a function.
func compile(name string, args, result reflect.Type) (in, out *codec.Plan) {
	if name == "" {
		panic("pool: a function needs a name")
	}
	in, err := codec.CompileArgument(args)
	if err != nil {
		panic(fmt.Sprintf("pool: function %q: argument %v", name, err))
	}
	if out, err = codec.CompileResult(result); err != nil {
		panic(fmt.Sprintf("pool: function %q: result %v", name, err))
	}
	return in, out
}

func newEntry[In, Out any](name string, f func(*Task, In) (Out, error)) *entry {
	in, out := compile(name, reflect.TypeFor[In](), reflect.TypeFor[Out]())
	e := &entry{name: name, in: in, out: out, grows: !out.Quick()}
	e.worker.Arrays = out.Arrays()
	private := !in.Arrays() && !in.Quick()
	e.worker.Runner = func(c *workerside.Call) func(args, dst []byte) ([]byte, error) {
		t, bind, ref := &Task{c}, c.Bind, c.Ref
		a := new(In) // on the heap: bind keeps pointers into it while the function runs
		return func(args, dst []byte) ([]byte, error) {
			*a = *new(In)
			if err := codec.Decode(in, args, a, bind); err != nil {
				return dst, fmt.Errorf("arguments: %w", err)
			}
			c.Decoded(args)
			v, err := f(t, *a)
			if private { // and perhaps large
				*a = *new(In)
			}
			if err != nil {
				return dst, err
			}
			return encodeResult(c, out, dst, &v, ref)
		}
	}
	if out.Arrays() {
		e.take = func(result []byte, bind codec.BindFunc) (any, error) {
			v := new(Out)
			err := codec.Decode(out, result, v, bind)
			return v, err
		}
	}
	return e
}

// encodeResult appends a result to the record of a task or block, or the ref of the side
// block that it goes into.
func encodeResult[Out any](c *workerside.Call, out *codec.Plan, dst []byte, v *Out, ref codec.RefFunc) ([]byte, error) {
	dst, large, err := codec.Encode(out, dst, v, ref)
	if large != nil && err == nil {
		return c.PutLarge(dst, large)
	}
	return dst, err
}
