package codec

import (
	"bytes"
	"encoding/gob"
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/wire"
)

type eight struct{ A, B, C, D, E, F, G, H float64 }

type quotes struct {
	Open, High, Low []float64
	Meta            map[string]float64
}

func quotesOf(bytes int) *quotes {
	q := &quotes{Meta: map[string]float64{}}
	for i := range 16 {
		q.Meta[fmt.Sprint("key", i)] = float64(i)
	}
	n := max(bytes-16*18, 0) / 24
	for _, s := range []*[]float64{&q.Open, &q.High, &q.Low} {
		*s = make([]float64, n)
		for i := range *s {
			(*s)[i] = float64(i) * 1.1
		}
	}
	return q
}

// roundTrip encodes into memory that is there and decodes.
func roundTrip[T any](b *testing.B, v *T) {
	p := argumentPlan[T](b)
	var buf, block []byte
	b.ReportAllocs()
	for b.Loop() {
		out, large, err := Encode(p, buf[:0], v, nil)
		if err != nil {
			b.Fatal(err)
		}
		buf = out
		if large != nil {
			if int64(cap(block)) < large.Bytes() {
				block = make([]byte, large.Bytes())
			}
			out = block[:large.Bytes()]
			if err := large.Write(out, nil); err != nil {
				b.Fatal(err)
			}
		}
		var got T
		if err := Decode(p, out, &got, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// A gob stream whose types are known: what a pair of processes that talk for long has.
func gobReused[T any](b *testing.B, v *T) {
	var buf bytes.Buffer
	enc, dec := gob.NewEncoder(&buf), gob.NewDecoder(&buf)
	b.ReportAllocs()
	for b.Loop() {
		var got T
		if enc.Encode(v) != nil || dec.Decode(&got) != nil {
			b.Fatal("gob")
		}
	}
}

func BenchmarkEight(b *testing.B) {
	p := argumentPlan[eight](b)
	buf := make([]byte, 0, wire.MaxInline)
	var v, got eight
	b.ReportAllocs()
	for b.Loop() {
		out, _, err := Encode(p, buf, &v, nil)
		if err != nil || Decode(p, out, &got, nil) != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkQuotes(b *testing.B) {
	for _, size := range []struct {
		name  string
		bytes int
	}{{"1KiB", 1 << 10}, {"1MiB", 1 << 20}, {"64MiB", 64 << 20}} {
		q := quotesOf(size.bytes)
		for _, way := range []struct {
			name string
			f    func(*testing.B, *quotes)
		}{{"value", roundTrip[quotes]}, {"gob-reused", gobReused[quotes]}} {
			b.Run("way="+way.name+"/size="+size.name, func(b *testing.B) {
				b.SetBytes(int64(size.bytes))
				way.f(b, q)
			})
		}
	}
}

func BenchmarkStrings(b *testing.B) {
	s := make([]string, 100_000)
	for i := range s {
		s[i] = fmt.Sprint("string", i)
	}
	b.Run("way=value", func(b *testing.B) { roundTrip(b, &s) })
	b.Run("way=gob-reused", func(b *testing.B) { gobReused(b, &s) })
}

// Maps with and without reflection: the second type has a key that fastMaps does not know.
func BenchmarkMap(b *testing.B) {
	type name string
	for _, n := range []int{16, 10_000} {
		known, unknown := map[string]float64{}, map[name]float64{}
		for i := range n {
			known[fmt.Sprint("key", i)], unknown[name(fmt.Sprint("key", i))] = 1, 1
		}
		b.Run(fmt.Sprintf("way=fast/n=%d", n), func(b *testing.B) { roundTrip(b, &known) })
		b.Run(fmt.Sprintf("way=reflect/n=%d", n), func(b *testing.B) { roundTrip(b, &unknown) })
		b.Run(fmt.Sprintf("way=gob-reused/n=%d", n), func(b *testing.B) { gobReused(b, &known) })
	}
}

// What the methods of trusted types cost, and what it would cost to contain them.
func BenchmarkMarshaller(b *testing.B) {
	now, number := time.Now(), big.NewInt(1<<40)
	owned := own{How: "x"}
	b.Run("type=Time", func(b *testing.B) { roundTrip(b, &now) })
	b.Run("type=Int", func(b *testing.B) { roundTrip(b, number) })
	b.Run("type=contained", func(b *testing.B) { roundTrip(b, &owned) })
}

// Elements of short arrays as ops of their own, and in a loop.
func BenchmarkArray(b *testing.B) {
	var short [unrolled]string
	var long [unrolled + 1]string
	b.Run("way=unrolled", func(b *testing.B) { roundTrip(b, &short) })
	b.Run("way=loop", func(b *testing.B) { roundTrip(b, &long) })
}

// A slice of structs with padding: its memory as a whole, against field by field.
func BenchmarkPadded(b *testing.B) {
	type narrow struct {
		A int8
		B int64
	}
	type walked struct {
		N narrow
		S *int
	}
	whole, each := make([]narrow, 10_000), make([]walked, 10_000)
	b.Run("way=whole", func(b *testing.B) { roundTrip(b, &whole) })
	b.Run("way=each", func(b *testing.B) { roundTrip(b, &each) })
}

func TestBenchmarksArrive(t *testing.T) {
	q := quotesOf(1 << 10)
	_, large, err := Encode(argumentPlan[quotes](t), nil, q, nil)
	require.NoError(t, err)
	require.Nil(t, large)
	arrives(t, *q)
}

// A value of a few kinds, as most arguments with arrays are.
func BenchmarkScaled(b *testing.B) {
	p := argumentPlan[both](b)
	buf := make([]byte, 0, wire.MaxInline)
	v, got := new(both), new(both)
	v.M.B = "a name"
	b.ReportAllocs()
	for b.Loop() {
		out, _, err := Encode(p, buf, v, emptyRef)
		if err != nil || Decode(p, out, got, bindEmpty) != nil {
			b.Fatal(err)
		}
	}
}
