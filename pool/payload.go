package pool

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"slices"
	"time"
)

// A Payload is what one call is handed and returns. Sizes are in bytes, times in
// nanoseconds.
type Payload struct {
	// InGobBytes and OutGobBytes are what gob makes of the argument and of the
	// result, with the arrays of Views, Arrays and Carriers, and without its
	// description of the types. 0 where they were not measured.
	InGobBytes  int64 `json:"in_gob_bytes,omitempty"`
	OutGobBytes int64 `json:"out_gob_bytes,omitempty"`
	// InRefBytes and OutRefBytes are the arrays among it that cross by Ref. Where
	// ClassifyOptions.RefBytes says both, it is in InRefBytes.
	InRefBytes  int64 `json:"in_ref_bytes"`
	OutRefBytes int64 `json:"out_ref_bytes"`
	// ValueBytes is what else crosses, in both directions, by value.
	ValueBytes int64 `json:"value_bytes"`

	// GobNs is how long gob takes to encode and decode all of it, with one encoder
	// for many values, GobFreshNs with one for each; 0 if unknown. GobShare is what
	// part of the stage's CPU time GobNs is.
	GobNs      float64 `json:"gob_ns"`
	GobFreshNs float64 `json:"gob_fresh_ns"`
	GobShare   float64 `json:"gob_share"`
	// Estimated: gob did not get all of it. The figures are of the first 4 MiB of
	// the arrays, or follow from Costs.
	Estimated bool `json:"estimated"`
	// HandOverRef: GobShare is more than 0.15, so that in a process the bytes should
	// stay where they are and a Ref be handed over.
	HandOverRef bool `json:"hand_over_ref"`
}

// mostGobShare is the part of its computing that a stage may spend on serializing.
const mostGobShare = 0.15

// gobSample is how many bytes of the arrays gob is given at most.
const gobSample = 4 << 20

func (p *Payload) refBytes() int64 { return p.InRefBytes + p.OutRefBytes }

// payload is what the caller says of it.
func (o ClassifyOptions) payload() *Payload {
	if o.PayloadBytes == 0 && o.RefBytes == 0 {
		return nil
	}
	return &Payload{ValueBytes: o.PayloadBytes, InRefBytes: o.RefBytes}
}

// measurePayload looks at an argument and a result. private: unexported fields
// cross too.
func measurePayload[In, Out any](in *In, out *Out, private bool) (*Payload, error) {
	p := &Payload{}
	for _, side := range []struct {
		v             any // a pointer
		what          string
		gobBytes, ref *int64
	}{
		{in, "argument", &p.InGobBytes, &p.InRefBytes},
		{out, "result", &p.OutGobBytes, &p.OutRefBytes},
	} {
		m, err := measureGob(side.v, private)
		if err != nil {
			return nil, fmt.Errorf("the size of the %s: %w", side.what, err)
		}
		*side.gobBytes, *side.ref = m.bytes, m.refBytes
		p.ValueBytes += m.valueBytes
		p.GobNs += m.ns
		p.GobFreshNs += m.freshNs
		p.Estimated = p.Estimated || m.estimated
	}
	return p, nil
}

type gobMeasure struct {
	bytes, valueBytes, refBytes int64
	ns, freshNs                 float64
	estimated                   bool
}

// measureGob gives gob what v points to.
func measureGob(v any, private bool) (m gobMeasure, err error) {
	defer func() {
		if r := recover(); r != nil { // a GobEncoder's, a released View's, gob's own for nil
			err = fmt.Errorf("gob: %v", r)
		}
	}()
	bare := form{private: private} // without the elements of any array
	empty := bare.of(v)
	m.refBytes = bare.refBytes
	rest, err := gobTrip(empty)
	if err != nil {
		return m, err
	}
	if bare.arrayBytes == 0 {
		m.bytes, m.valueBytes, m.ns, m.freshNs = rest.bytes, rest.bytes, rest.ns, rest.freshNs
		return m, nil
	}
	part := form{private: private, part: min(1, gobSample/float64(bare.arrayBytes))}
	full, err := gobTrip(part.of(v))
	if err != nil {
		return m, err
	}
	scale := float64(bare.arrayBytes) / float64(max(part.keptBytes, 1))
	m.bytes = rest.bytes + int64(scale*float64(max(full.bytes-rest.bytes, 0)))
	m.ns, m.freshNs = scale*full.ns, scale*full.freshNs
	m.estimated = scale > 1
	m.valueBytes = rest.bytes // and the slices, which are no arrays in shared memory
	if bare.arrayBytes > bare.refBytes {
		m.valueBytes += int64(float64(m.bytes-rest.bytes) * float64(bare.arrayBytes-bare.refBytes) / float64(bare.arrayBytes))
	}
	return m, nil
}

// gobTrip encodes and decodes: once with everything new, then a few times again.
func gobTrip(v any) (m gobMeasure, err error) {
	if v == nil { // no fields
		return m, nil
	}
	const trips, enough = 5, 50 * time.Millisecond
	var buf bytes.Buffer
	enc, dec := gob.NewEncoder(&buf), gob.NewDecoder(&buf)
	into := newLike(v)
	trip := func() (ns float64, err error) {
		begin := time.Now()
		if err = enc.Encode(v); err != nil {
			return 0, err
		}
		m.bytes = int64(buf.Len())
		err = dec.Decode(into)
		return float64(time.Since(begin).Nanoseconds()), err
	}
	begin := time.Now()
	if m.freshNs, err = trip(); err != nil {
		return m, err
	}
	var all []float64
	for len(all) == 0 || len(all) < trips && time.Since(begin) < enough {
		ns, err := trip()
		if err != nil {
			return m, err
		}
		all = append(all, ns)
	}
	slices.Sort(all)
	m.ns = middle(all)
	return m, nil
}

// explainPayload applies the rule of the 15 %.
func (c *Classification) explainPayload(s *sentence, o ClassifyOptions) {
	p := c.Payload
	if p == nil {
		return
	}
	whole := p.ValueBytes + p.refBytes()
	if p.GobNs == 0 && o.Costs != nil {
		if ns, ok := o.Costs.Gob.ns(whole); ok {
			p.GobNs, p.Estimated = ns, true
		}
		if ns, ok := o.Costs.GobFresh.ns(whole); ok {
			p.GobFreshNs = ns
		}
	}
	if p.GobNs == 0 {
		return
	}
	computes := c.CPUS
	if computes <= 0 {
		computes = c.WallS
	}
	p.GobShare = p.GobNs / 1e9 / computes
	p.HandOverRef = p.GobShare > mostGobShare
	figures := fmt.Sprintf("%v, %.3g %% of the %.3g s that it computes", roundNs(p.GobNs), 100*p.GobShare, computes)
	switch {
	case !p.HandOverRef:
		s.say("gob of its payload (%d bytes) would take %s and not more than %.0f %%", whole, figures, 100*mostGobShare)
	case 2*p.refBytes() >= whole:
		s.say("its payload (%d bytes, %d by Ref) is handed over by Ref, and should be: gob of it would take %s and more than %.0f %%",
			whole, p.refBytes(), figures, 100*mostGobShare)
	default:
		s.say("hand its payload (%d bytes) to a process by Ref, as a shm.View: gob of it would take %s and more than %.0f %%",
			whole, figures, 100*mostGobShare)
	}
}

func roundNs(ns float64) time.Duration {
	d := time.Duration(ns)
	switch {
	case d > time.Second:
		return d.Round(time.Millisecond)
	case d > time.Millisecond:
		return d.Round(time.Microsecond)
	}
	return d
}
