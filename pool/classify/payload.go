package classify

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"reflect"
	"time"

	"example.com/handoff/bench/stat"
)

// A Payload gives the sizes of one call's argument and result, in bytes.
type Payload struct {
	// InGobBytes and OutGobBytes are the gob-encoded sizes of the argument and of the
	// result: exported fields only, without gob's description of the types.
	// 0 where Options says the sizes.
	InGobBytes  int64 `json:"in_gob_bytes,omitempty"`
	OutGobBytes int64 `json:"out_gob_bytes,omitempty"`

	ValueBytes int64 `json:"value_bytes"`  // crosses by value, in both directions
	RefBytes   int64 `json:"in_ref_bytes"` // is in shared memory already

	// Gob is how long gob takes to encode and decode all of it, with one encoder for many
	// values, GobFresh with one for each; 0 if unknown.
	Gob      time.Duration `json:"gob_ns"`
	GobFresh time.Duration `json:"gob_fresh_ns"`
	// Estimated: the times were not measured but follow from Costs.
	Estimated bool `json:"estimated"`
}

// payload is the payload that the caller has stated; nil if gob has to measure it.
func (o Options) payload() *Payload {
	if o.PayloadBytes == 0 && o.RefBytes == 0 {
		return nil
	}
	return &Payload{ValueBytes: o.PayloadBytes, RefBytes: o.RefBytes}
}

// measurePayload has gob encode and decode an argument and a result.
func measurePayload[In, Out any](in *In, out *Out) (*Payload, error) {
	i, err := measureGob(in)
	if err != nil {
		return nil, fmt.Errorf("the size of the argument is unknown, set PayloadBytes and RefBytes: %w", err)
	}
	o, err := measureGob(out)
	if err != nil {
		return nil, fmt.Errorf("the size of the result is unknown, set PayloadBytes and RefBytes: %w", err)
	}
	return &Payload{
		InGobBytes: i.bytes, OutGobBytes: o.bytes, ValueBytes: i.bytes + o.bytes,
		Gob: i.reused + o.reused, GobFresh: i.fresh + o.fresh,
	}, nil
}

type gobMeasure struct {
	bytes         int64
	reused, fresh time.Duration
}

// measureGob encodes and decodes: once with everything new, then a few times again, but
// for a value that takes so long that the description of its type doesn't matter.
func measureGob[T any](v *T) (m gobMeasure, err error) {
	const trips, enough = 6, 50 * time.Millisecond
	if reflect.TypeFor[T]().Size() == 0 { // which gob refuses
		return m, nil
	}
	defer func() {
		if r := recover(); r != nil { // a GobEncoder's, or gob's own for a nil pointer
			err = fmt.Errorf("gob: %v", r)
		}
	}()
	var buf bytes.Buffer
	enc, dec := gob.NewEncoder(&buf), gob.NewDecoder(&buf)
	var all []float64
	for begin := time.Now(); len(all) == 0 || len(all) < trips && time.Since(begin) < enough; {
		start := time.Now()
		if err = enc.Encode(v); err != nil {
			return m, err
		}
		m.bytes = int64(buf.Len())
		if err = dec.Decode(new(T)); err != nil {
			return m, fmt.Errorf("gob: decode: %w", err)
		}
		all = append(all, float64(time.Since(start)))
	}
	m.fresh = time.Duration(all[0])
	m.reused = time.Duration(stat.Median(all[min(1, len(all)-1):]))
	return m, nil
}
