package gonum

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"example.com/handoff/shm"
)

func newArena(t testing.TB) *shm.Arena {
	t.Helper()
	run, err := shm.NewRun()
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, run.Close()) })
	return run.NewArena(nil)
}

// put is src in shared memory, released at the end of the test.
func put[T shm.Element](t testing.TB, a *shm.Arena, src []T, dims ...int) shm.Array[T] {
	t.Helper()
	arr, err := shm.PutCopy(a, src, dims...)
	require.NoError(t, err)
	t.Cleanup(arr.Release)
	return arr
}

// readOnly is a as another process has it: mapped so that a store faults.
func readOnly[T shm.Element](t testing.TB, a shm.Array[T]) shm.View[T] {
	t.Helper()
	seg, err := shm.Attach(a.Ref().Segment, 0, shm.ReadOnly)
	require.NoError(t, err)
	v, err := shm.Bind[T](seg, a.Ref())
	require.NoError(t, err)
	require.NoError(t, seg.Close()) // unmapped when the view is released
	t.Cleanup(v.Release)
	return v.View()
}

func random(seed uint64, n int) []float64 {
	r := rand.New(rand.NewPCG(seed, 0))
	x := make([]float64, n)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	return x
}

// operations are done once with gonum's own operands and once with views that
// fault when stored to. m is n×n, v has n elements.
var operations = map[string]func(dst *mat.Dense, m mat.Matrix, v mat.Vector) any{
	"Mul":       func(dst *mat.Dense, m mat.Matrix, _ mat.Vector) any { dst.Mul(m, m); return dst },
	"Mul left":  func(dst *mat.Dense, m mat.Matrix, _ mat.Vector) any { dst.Mul(m.T(), m); return dst },
	"Mul right": func(dst *mat.Dense, m mat.Matrix, _ mat.Vector) any { dst.Mul(m, m.T()); return dst },
	"Product":   func(dst *mat.Dense, m mat.Matrix, _ mat.Vector) any { dst.Product(m, m.T(), m); return dst },
	"Outer":     func(dst *mat.Dense, _ mat.Matrix, v mat.Vector) any { dst.Outer(3, v, v); return dst },
	"Add":       func(dst *mat.Dense, m mat.Matrix, _ mat.Vector) any { dst.Add(m, m.T()); return dst },
	"MulElem":   func(dst *mat.Dense, m mat.Matrix, _ mat.Vector) any { dst.MulElem(m, m); return dst },
	"Scale":     func(dst *mat.Dense, m mat.Matrix, _ mat.Vector) any { dst.Scale(2, m); return dst },
	"Pow":       func(dst *mat.Dense, m mat.Matrix, _ mat.Vector) any { dst.Pow(m, 3); return dst },
	"Apply": func(dst *mat.Dense, m mat.Matrix, _ mat.Vector) any {
		dst.Apply(func(i, j int, x float64) float64 { return x + float64(i-j) }, m)
		return dst
	},
	"Copy":    func(dst *mat.Dense, m mat.Matrix, _ mat.Vector) any { dst.Copy(m); return dst },
	"Stack":   func(_ *mat.Dense, m mat.Matrix, _ mat.Vector) any { var s mat.Dense; s.Stack(m, m); return &s },
	"Inverse": func(dst *mat.Dense, m mat.Matrix, _ mat.Vector) any { return []any{dst.Inverse(m), dst} },
	"Solve":   func(dst *mat.Dense, m mat.Matrix, _ mat.Vector) any { return []any{dst.Solve(m, m), dst} },
	"SolveVec": func(_ *mat.Dense, m mat.Matrix, v mat.Vector) any {
		var x mat.VecDense
		return []any{x.SolveVec(m, v), &x}
	},
	"MulVec": func(_ *mat.Dense, m mat.Matrix, v mat.Vector) any { var x mat.VecDense; x.MulVec(m, v); return &x },
	"AddVec": func(_ *mat.Dense, _ mat.Matrix, v mat.Vector) any { var x mat.VecDense; x.AddVec(v, v); return &x },
	"Dot":    func(_ *mat.Dense, _ mat.Matrix, v mat.Vector) any { return mat.Dot(v, v) },
	"Inner":  func(_ *mat.Dense, m mat.Matrix, v mat.Vector) any { return mat.Inner(v, m, v) },
	"Norm":   func(_ *mat.Dense, m mat.Matrix, v mat.Vector) any { return mat.Norm(m, 2) + mat.Norm(v, 1) },
	"Sum": func(_ *mat.Dense, m mat.Matrix, v mat.Vector) any {
		return []float64{mat.Sum(m), mat.Sum(v), mat.Max(m), mat.Min(v), mat.Trace(m), mat.Det(m)}
	},
	"Col Row": func(_ *mat.Dense, m mat.Matrix, _ mat.Vector) any {
		return [][]float64{mat.Col(nil, 1, m), mat.Row(nil, 1, m)}
	},
	"Equal": func(_ *mat.Dense, m mat.Matrix, v mat.Vector) any { return mat.Equal(m, m) && mat.Equal(v, v.T().T()) },
	"SVD": func(_ *mat.Dense, m mat.Matrix, _ mat.Vector) any {
		var s mat.SVD
		return []any{s.Factorize(m, mat.SVDNone), s.Values(nil)}
	},
	"Eigen": func(_ *mat.Dense, m mat.Matrix, _ mat.Vector) any {
		var e mat.Eigen
		return []any{e.Factorize(m, mat.EigenNone), e.Values(nil)}
	},
	"QR": func(dst *mat.Dense, m mat.Matrix, _ mat.Vector) any {
		var q mat.QR
		q.Factorize(m)
		q.RTo(dst)
		return dst
	},
	"CovarianceMatrix": func(_ *mat.Dense, m mat.Matrix, _ mat.Vector) any {
		var s mat.SymDense
		stat.CovarianceMatrix(&s, m, nil)
		return &s
	},
	"Formatted": func(_ *mat.Dense, m mat.Matrix, v mat.Vector) any {
		return fmt.Sprintf("%v %v", mat.Formatted(m), mat.Formatted(v.T()))
	},
}

func TestOperations(t *testing.T) {
	const n = 70 // more than one block of gonum's product
	arena := newArena(t)
	ms, vs := random(1, n*n), random(2, n)
	m, v := put(t, arena, ms, n, n), put(t, arena, vs)
	matrix, vector := MatrixOf(readOnly(t, m)), VectorOf(readOnly(t, v))
	for name, do := range operations {
		t.Run(name, func(t *testing.T) {
			want := do(mat.NewDense(n, n, nil), mat.NewDense(n, n, ms), mat.NewVecDense(n, vs))
			out := put(t, arena, make([]float64, n*n), n, n)
			got := do(Dense(out), matrix, vector)
			require.Equal(t, want, got)
			if d, ok := got.(*mat.Dense); ok && d.RawMatrix().Rows == n {
				require.Same(t, &out.Data()[0], &d.RawMatrix().Data[0])
				require.Equal(t, want.(*mat.Dense).RawMatrix().Data, out.Data())
			}
			require.Equal(t, ms, m.Data())
			require.Equal(t, vs, v.Data())
		})
	}
}

func TestWritesThrough(t *testing.T) {
	a := put(t, newArena(t), []float64{1, 2, 3, 4, 5, 6}, 2, 3)
	seen := readOnly(t, a)
	Dense(a).Set(1, 2, 60)
	VecDense(a.Row(0)).SetVec(1, 20)
	Dense(a.Rows(1, 2)).Set(0, 0, 40)
	var col mat.VecDense
	col.ColViewOf(MatrixOf(seen), 0)
	require.Equal(t, []float64{1, 40}, mat.Col(nil, 0, &col))
	floats.AddConst(1, a.Row(1).Data())
	require.Equal(t, []float64{1, 20, 3, 41, 6, 61}, seen.Data())

	m, v := MatrixOf(a.View()), VectorOf(a.View().Reshape(6))
	require.Same(t, &a.Data()[0], &m.RawMatrix().Data[0])
	require.Same(t, &a.Data()[0], &v.RawVector().Data[0])
	require.Equal(t, 61.0, m.At(1, 2))
	require.Equal(t, 61.0, m.T().At(2, 1))
	require.Equal(t, 41.0, v.AtVec(3))
	require.Equal(t, 41.0, v.T().At(0, 3))
	require.Equal(t, 6, v.Len())
	_, settable := any(m).(mat.Mutable)
	require.False(t, settable)
}

func TestComplex(t *testing.T) {
	a := put(t, newArena(t), []complex128{1, 2i, 3, 4 + 1i}, 2, 2)
	CDense(a).Set(0, 0, 5i)
	require.Equal(t, 5i, a.Data()[0])
	m := CMatrixOf(readOnly(t, a))
	require.Equal(t, 4+1i, m.At(1, 1))
	require.Equal(t, -2i, m.H().At(1, 0))
	require.Equal(t, 2i, m.T().At(1, 0))
	var got, want mat.CDense
	got.Conj(m)
	want.Conj(CDense(a))
	require.True(t, mat.CEqual(&want, &got))
	require.Same(t, &a.Data()[0], &CDense(a).RawCMatrix().Data[0])
	require.Len(t, m.RawCMatrix().Data, 4)
}

// No copy of an operand or of the result is made on the Go heap.
func TestNoCopy(t *testing.T) {
	const n = 64 // small enough for a product on one goroutine
	arena := newArena(t)
	a, b := put(t, arena, random(1, n*n), n, n), put(t, arena, random(2, n*n), n, n)
	out := put(t, arena, make([]float64, n*n), n, n)
	va, vb := readOnly(t, a), readOnly(t, b)
	const rounds = 20
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range rounds {
		Dense(out).Mul(MatrixOf(va), MatrixOf(vb))
	}
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(rounds*n*n*8/2))
}

func TestMistakes(t *testing.T) {
	arena := newArena(t)
	a := put(t, arena, make([]float64, 8), 2, 2, 2)
	none := put(t, arena, []float64{}, 0, 3)
	c := put(t, arena, make([]complex128, 2))
	const want2, want1 = "gonum: array of shape [2 2 2], expected rank 2", "gonum: array of shape [2 2 2], expected rank 1"
	require.PanicsWithValue(t, want2, func() { Dense(a) })
	require.PanicsWithValue(t, want2, func() { MatrixOf(a.View()) })
	require.PanicsWithValue(t, want1, func() { VecDense(a) })
	require.PanicsWithValue(t, want1, func() { VectorOf(a.View()) })
	require.PanicsWithValue(t, "gonum: array of shape [2], expected rank 2", func() { CDense(c) })
	require.PanicsWithValue(t, "gonum: array of shape [2], expected rank 2", func() { CMatrixOf(c.View()) })
	require.PanicsWithValue(t, "gonum: array of shape [], expected rank 1", func() { VectorOf(a.View().Rows(0, 1).Reshape(4).Row(0)) })
	require.PanicsWithValue(t, mat.ErrZeroLength, func() { Dense(none) })
	require.PanicsWithValue(t, mat.ErrZeroLength, func() { MatrixOf(none.View()) })
	require.PanicsWithValue(t, mat.ErrZeroLength, func() { VecDense(shm.Array[float64]{}) })
	require.PanicsWithValue(t, mat.ErrZeroLength, func() { VectorOf(shm.View[float64]{}) })

	m := MatrixOf(a.View().Reshape(2, 4))
	require.PanicsWithValue(t, mat.ErrRowAccess, func() { m.At(2, 0) })
	require.PanicsWithValue(t, mat.ErrColAccess, func() { m.At(0, -1) })
	require.PanicsWithValue(t, mat.ErrColAccess, func() { m.At(0, 4) })

	var zero Matrix
	r, cols := zero.Dims()
	require.Zero(t, r+cols+len(zero.RawMatrix().Data))
}

func TestUseAfterRelease(t *testing.T) {
	a, err := shm.Make[float64](newArena(t), 2, 2)
	require.NoError(t, err)
	m, v := MatrixOf(a.View()), VectorOf(a.View().Row(0))
	a.Release()
	for name, use := range map[string]func(){
		"At":        func() { m.At(0, 0) },
		"RawMatrix": func() { m.RawMatrix() },
		"AtVec":     func() { v.AtVec(0) },
		"Sum":       func() { mat.Sum(m) },
		"Dense":     func() { Dense(a) },
	} {
		require.PanicsWithValue(t, fmt.Sprintf("shm: array in segment %q used after Release", a.Ref().Segment), use, name)
	}
}

// A product from the Go heap, and the same in shared memory.
func BenchmarkMul(b *testing.B) {
	arena := newArena(b)
	for _, n := range []int{16, 256, 1024} {
		x, y := random(1, n*n), random(2, n*n)
		ax, ay := put(b, arena, x, n, n), put(b, arena, y, n, n)
		out := put(b, arena, make([]float64, n*n), n, n)
		for _, in := range []struct {
			name        string
			dst         *mat.Dense
			left, right mat.Matrix
		}{
			{"heap", mat.NewDense(n, n, nil), mat.NewDense(n, n, x), mat.NewDense(n, n, y)},
			{"array", Dense(out), Dense(ax), Dense(ay)},
			{"view", Dense(out), MatrixOf(readOnly(b, ax)), MatrixOf(readOnly(b, ay))},
		} {
			b.Run(fmt.Sprintf("memory=%s/n=%d", in.name, n), func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(3 * n * n * 8))
				for b.Loop() {
					in.dst.Mul(in.left, in.right)
				}
			})
		}
	}
}
