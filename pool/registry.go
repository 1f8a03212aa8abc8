package pool

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"sort"
	"sync"

	"example.com/handoff/shm"
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
	in, out *codec
	// run decodes args, calls the function and encodes the result.
	run func(t *Task, args []byte, bind binding, wire wiring) ([]byte, error)
	// take decodes a result with Views into a new *Out; nil for other results.
	take func(result []byte, bind binding) (any, error)
}

// A binding binds one View or Array to the memory that a wire ref names, a
// wiring makes the wire ref. field is the path for errors.
type (
	binding func(field string, b shm.Binder, w shm.WireRef) error
	wiring  func(field string, b shm.Binder) (shm.WireRef, error)
)

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
	number  map[*entry]uint32
	hash    [16]byte // of names and types
}

func newTable() *table {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	t := &table{number: map[*entry]uint32{}}
	for _, e := range registry.byName {
		t.entries = append(t.entries, e)
	}
	sort.Slice(t.entries, func(i, j int) bool { return t.entries[i].name < t.entries[j].name })
	h := sha256.New()
	for i, e := range t.entries {
		t.number[e] = uint32(i)
		fmt.Fprintf(h, "%q %v %v\n", e.name, e.in.typ, e.out.typ)
	}
	copy(t.hash[:], h.Sum(nil))
	return t
}

func newEntry[In, Out any](name string, f func(*Task, In) (Out, error)) *entry {
	if name == "" {
		panic("pool: a function needs a name")
	}
	in, err := compile(reflect.TypeFor[In](), true)
	if err != nil {
		panic(fmt.Sprintf("pool: function %q: argument %v", name, err))
	}
	out, err := compile(reflect.TypeFor[Out](), false)
	if err != nil {
		panic(fmt.Sprintf("pool: function %q: result %v", name, err))
	}
	e := &entry{name: name, in: in, out: out}
	e.run = func(t *Task, args []byte, bind binding, wire wiring) ([]byte, error) {
		var a In
		if err := decode(in, args, &a, bind); err != nil {
			return nil, fmt.Errorf("arguments: %w", err)
		}
		v, err := f(t, a)
		if err != nil {
			return nil, err
		}
		return encode(out, nil, &v, wire)
	}
	if out.arrays {
		e.take = func(result []byte, bind binding) (any, error) {
			v := new(Out)
			err := decode(out, result, v, bind)
			return v, err
		}
	}
	return e
}
