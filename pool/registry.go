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
	name     string
	arg, res reflect.Type
	hint     atomic.Uint32 // its number in the table that was asked last
	worker   workerside.Func

	compile func() // makes what follows known, once; so it does of worker
	in, out *codec.Plan
	grows   bool // its tasks may ask for memory for their results
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
func (t *table) workerFuncs() []*workerside.Func {
	funcs := make([]*workerside.Func, len(t.entries))
	for i, e := range t.entries {
		funcs[i] = &e.worker
	}
	return funcs
}

// compile compiles all of them: this process may be a worker that has a pool.
func (t *table) compile() {
	for _, e := range t.entries {
		e.compile()
	}
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
		fmt.Fprintf(h, "%q %v %v %t\n", e.name, e.arg, e.res, e.worker.RangeRunner != nil)
	}
	copy(t.hash[:], h.Sum(nil))
	return t
}

// entryOf is the entry of a function with these types. compiled is called when the plans are
// known. That is now, but in a worker when the function is called first: a worker starts
// sooner, and its supervisor has the same functions and has refused none.
func entryOf[In, Out any](name string, compiled func(e *entry)) *entry {
	e := &entry{name: name, arg: reflect.TypeFor[In](), res: reflect.TypeFor[Out]()}
	e.compile = sync.OnceFunc(func() {
		var err error
		if e.in, err = codec.CompileArgument(e.arg); err != nil {
			panic(fmt.Sprintf("pool: function %q: argument %v", name, err))
		}
		if e.out, err = codec.CompileResult(e.res); err != nil {
			panic(fmt.Sprintf("pool: function %q: result %v", name, err))
		}
		e.grows = !e.out.Quick()
		compiled(e)
	})
	if name == "" {
		panic("pool: a function needs a name")
	}
	if !isWorker() {
		e.compile()
	}
	return e
}

func newEntry[In, Out any](name string, f func(*Task, In) (Out, error)) *entry {
	e := entryOf[In, Out](name, func(e *entry) {
		if e.worker.Arrays = e.out.Arrays(); e.worker.Arrays {
			e.take = func(result []byte, bind codec.BindFunc) (any, error) {
				v := new(Out)
				err := codec.Decode(e.out, result, v, bind)
				return v, err
			}
		}
	})
	e.worker.Runner = func(c *workerside.Call) func(args, dst []byte) ([]byte, error) {
		e.compile()
		in, out, private := e.in, e.out, !e.in.Arrays() && !e.in.Quick()
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
