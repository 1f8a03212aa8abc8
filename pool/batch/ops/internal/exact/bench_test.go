package exact

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
)

// BenchmarkAdd compares sums, and columns (sums, nulls and range), with the
// plain loop that rounds at every step.
func BenchmarkAdd(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	benchmarkAdd(b, "float64", r.NormFloat64)
	benchmarkAdd(b, "float64-any-exponent", func() float64 {
		return math.Float64frombits(r.Uint64() &^ (1 << 62)) // never NaN or Inf
	})
	benchmarkAdd(b, "float32", func() float32 { return float32(r.NormFloat64()) })
	benchmarkAdd(b, "int8", func() int8 { return int8(r.Uint64()) })
	benchmarkAdd(b, "int64", func() int64 { return int64(r.Uint64()) })
	benchmarkAdd(b, "uint64", r.Uint64)
}

func benchmarkAdd[T Number](b *testing.B, dtype string, next func() T) {
	for _, n := range []int{64, 1024, 65536} {
		values := make([]T, n)
		for i := range values {
			values[i] = next()
		}
		someNull := make([]byte, n/8)
		for i := range someNull {
			someNull[i] = byte(rand.Uint32())
		}
		run := func(to string, body func()) {
			b.Run(fmt.Sprintf("dtype=%s/n=%d/to=%s", dtype, n, to), func(b *testing.B) {
				b.SetBytes(int64(n) * int64(reflect.TypeFor[T]().Size()))
				b.ReportAllocs()
				for b.Loop() {
					body()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/element")
			})
		}
		run("plain", func() {
			var sum T
			for _, v := range values {
				sum += v
			}
			keep(sum)
		})
		run("plain-squares", func() {
			var sum, squares float64
			for _, v := range values {
				sum += float64(v)
				squares += float64(v) * float64(v)
			}
			keep(sum + squares)
		})
		var s Sums
		run("sums", func() { check(b, AddSums(&s, values, nil, 0)) })
		var c, half Column
		run("column", func() { check(b, AddColumn(&c, values, nil, 0)) })
		run("column-half-null", func() { check(b, AddColumn(&half, values, someNull, 0)) })
	}
}

// BenchmarkOnce measures what is done once per chunk or per column.
func BenchmarkOnce(b *testing.B) {
	var c, total Column
	mustAdd(b, &c, generate("any bits", 1, 65536))
	for name, body := range map[string]func(){
		"check": func() { check(b, c.Check()) },
		"merge": func() { total = Column{}; check(b, total.Merge(&c)) },
		"mean":  func() { c.Sums.Mean() },
		"std":   func() { c.Sums.Std() },
	} {
		b.Run("op="+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				body()
			}
		})
	}
}

func check(b *testing.B, err error) {
	if err != nil {
		b.Fatal(err)
	}
}

// keep makes its argument be computed.
//
//go:noinline
func keep[T any](T) {}
