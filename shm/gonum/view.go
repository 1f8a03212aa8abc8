package gonum

import (
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/blas/cblas128"
	"gonum.org/v1/gonum/mat"

	"example.com/handoff/shm"
)

var (
	_ mat.Matrix       = (*Matrix)(nil)
	_ mat.RawMatrixer  = (*Matrix)(nil)
	_ mat.Vector       = (*Vector)(nil)
	_ mat.RawVectorer  = (*Vector)(nil)
	_ mat.CMatrix      = (*CMatrix)(nil)
	_ mat.RawCMatrixer = (*CMatrix)(nil)
)

// A Matrix is a read-only matrix over a view: an operand for mat. Its methods
// panic once the view was released. The zero Matrix has no elements.
type Matrix struct{ elements[float64] }

// MatrixOf is a matrix over v, which must be of rank 2 and have elements, or
// MatrixOf panics.
func MatrixOf(v shm.View[float64]) *Matrix { return &Matrix{matrix(v)} }

// T is the transpose, on the same memory.
func (m *Matrix) T() mat.Matrix { return mat.Transpose{Matrix: m} }

// RawMatrix is the view's memory in place, for mat's fast paths. It must not be
// written to: outside of the process that made the array that faults.
func (m *Matrix) RawMatrix() blas64.General {
	return blas64.General{Rows: m.rows, Cols: m.cols, Stride: max(1, m.cols), Data: m.view.Data()}
}

// A Vector is a read-only column vector over a view: [Matrix] for rank 1.
type Vector struct{ elements[float64] }

// VectorOf is a vector over v, which must be of rank 1 and have elements, or
// VectorOf panics.
func VectorOf(v shm.View[float64]) *Vector {
	return &Vector{elements[float64]{v, dims(v.Shape(), 1)[0], 1}}
}

// T is the transpose, on the same memory.
func (v *Vector) T() mat.Matrix { return mat.TransposeVec{Vector: v} }

// Len is the number of elements.
func (v *Vector) Len() int { return v.rows }

// AtVec is element i; it panics if i is out of range.
func (v *Vector) AtVec(i int) float64 { return v.At(i, 0) }

// RawVector is the view's memory in place; see [Matrix.RawMatrix].
func (v *Vector) RawVector() blas64.Vector {
	return blas64.Vector{N: v.rows, Inc: 1, Data: v.view.Data()}
}

// A CMatrix is [Matrix] for complex elements.
type CMatrix struct{ elements[complex128] }

// CMatrixOf is [MatrixOf] for complex elements.
func CMatrixOf(v shm.View[complex128]) *CMatrix { return &CMatrix{matrix(v)} }

// T is the transpose, on the same memory.
func (m *CMatrix) T() mat.CMatrix { return mat.CTranspose{CMatrix: m} }

// H is the conjugate transpose, on the same memory.
func (m *CMatrix) H() mat.CMatrix { return mat.ConjTranspose{CMatrix: m} }

// RawCMatrix is the view's memory in place; see [Matrix.RawMatrix].
func (m *CMatrix) RawCMatrix() cblas128.General {
	return cblas128.General{Rows: m.rows, Cols: m.cols, Stride: max(1, m.cols), Data: m.view.Data()}
}

// elements implements gonum's Dims and At for the three types.
type elements[T float64 | complex128] struct {
	view       shm.View[T]
	rows, cols int
}

func matrix[T float64 | complex128](v shm.View[T]) elements[T] {
	d := dims(v.Shape(), 2)
	return elements[T]{v, d[0], d[1]}
}

// Dims is the number of rows and columns.
func (e *elements[T]) Dims() (r, c int) { return e.rows, e.cols }

// At is the element in row i and column j; it panics if there is none.
func (e *elements[T]) At(i, j int) T {
	if uint(i) >= uint(e.rows) {
		panic(mat.ErrRowAccess)
	}
	if uint(j) >= uint(e.cols) {
		panic(mat.ErrColAccess)
	}
	return e.view.Data()[i*e.cols+j]
}
