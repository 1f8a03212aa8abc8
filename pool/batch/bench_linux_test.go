package batch_test

import (
	"cmp"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"

	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
)

// BenchmarkJob compares jobs over one Arrow file, in rounds: with and
// without a state folder, by two workers and by one, by processes and by goroutines, in random order. Its
// metrics are medians of the ratios of wall-clock in one round. The file is
// HANDOFF_BENCH_FILE, or HANDOFF_BENCH_MIB (64) of two int16 columns and a float32.
func BenchmarkJob(b *testing.B) {
	file := os.Getenv("HANDOFF_BENCH_FILE")
	if file == "" {
		mib, _ := strconv.Atoi(cmp.Or(os.Getenv("HANDOFF_BENCH_MIB"), "64"))
		file = flightsLike(b, mib)
	}
	for _, op := range []string{"describe", "zscore", "rolling:stat=median"} {
		b.Run("op="+op, func(b *testing.B) {
			dir := b.TempDir()
			job := batch.Job{Inputs: []string{file}, Op: op, Out: filepath.Join(dir, "out.arrow"), Pool: pool.Options{Workers: 2}}
			if op == "describe" {
				job.Out = filepath.Join(dir, "out.json")
			}
			run := func(change func(*batch.Job)) float64 {
				j := job
				change(&j)
				res, err := batch.Run(background(), j)
				require.NoError(b, err)
				return res.Summary.WallS
			}
			variants := []func(*batch.Job){
				func(*batch.Job) {},
				func(j *batch.Job) { j.State = filepath.Join(dir, "state") },
				func(j *batch.Job) { j.Pool.Workers = 1 },
				func(j *batch.Job) { j.Pool.Isolation = pool.Goroutine },
			}
			var rounds [][4]float64
			for b.Loop() {
				var walls [4]float64
				for _, i := range rand.Perm(len(variants)) {
					walls[i] = run(variants[i])
				}
				rounds = append(rounds, walls)
			}
			median := func(of func(w [4]float64) float64) float64 {
				var all []float64
				for _, w := range rounds {
					all = append(all, of(w))
				}
				slices.Sort(all)
				return all[len(all)/2]
			}
			b.ReportMetric(median(func(w [4]float64) float64 { return w[0] }), "s")
			b.ReportMetric(median(func(w [4]float64) float64 { return w[1] / w[0] }), "state/none")
			b.ReportMetric(median(func(w [4]float64) float64 { return w[2] / w[0] }), "1worker/2")
			b.ReportMetric(median(func(w [4]float64) float64 { return w[0] / w[3] }), "process/goroutine")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func flightsLike(b *testing.B, mib int) string {
	b.Helper()
	schema := arrow.NewSchema([]arrow.Field{
		{Name: "delay", Type: arrow.PrimitiveTypes.Int16, Nullable: true},
		{Name: "distance", Type: arrow.PrimitiveTypes.Int16, Nullable: true},
		{Name: "time", Type: arrow.PrimitiveTypes.Float32, Nullable: true},
	}, nil)
	const rows = 1 << 17 // 1 MiB
	builder := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer builder.Release()
	rnd := rand.New(rand.NewPCG(1, 2))
	for range rows {
		builder.Field(0).(*array.Int16Builder).Append(int16(rnd.IntN(200) - 30))
		builder.Field(1).(*array.Int16Builder).Append(int16(100 + rnd.IntN(2500)))
		builder.Field(2).(*array.Float32Builder).Append(24 * rnd.Float32())
	}
	rec := builder.NewRecord()
	defer rec.Release()
	path := filepath.Join(b.TempDir(), "flights.arrow")
	f, err := os.Create(path)
	require.NoError(b, err)
	w, err := ipc.NewFileWriter(f, ipc.WithSchema(schema))
	require.NoError(b, err)
	for range mib {
		require.NoError(b, w.Write(rec))
	}
	require.NoError(b, w.Close())
	require.NoError(b, f.Close())
	return path
}
