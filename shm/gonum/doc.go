// Package gonum lets gonum's mat and floats work on shared memory where it
// lies: nothing is copied on the way in, and what is computed into an array is
// in shared memory when the call returns.
//
// # A short tour
//
//   - [Dense], [VecDense] and [CDense] are gonum's own matrix, vector and complex
//     matrix over the elements of a writable [shm.Array]: operands and receivers.
//   - [MatrixOf], [VectorOf] and [CMatrixOf] are operands over a read-only
//     [shm.View]. They have no Set, and mat's fast paths use their memory in place.
//   - floats and stat take slices: give them Data().
//   - Rows and other shapes are shm's: VecDense(a.Row(i)), Dense(a.Rows(lo, hi)),
//     VectorOf(v.Reshape(n)). Columns and blocks are mat's: ColView, Slice, and
//     [mat.VecDense.ColViewOf] for a [Matrix].
//
// # Shapes
//
// A matrix is of rank 2, a vector of rank 1; another rank is the caller's
// mistake and panics with the shape, as the methods of shm do. gonum has no
// matrices without elements: an array with none panics with
// [mat.ErrZeroLength], as [mat.NewDense] does, so test Len where it can be 0.
//
// # Lifetimes
//
// All of them borrow the array's pin: they are dead once it was released. A
// [Matrix], [Vector] or [CMatrix] panics then; gonum's own types cannot know, and
// show somebody else's numbers.
//
// # Concurrency
//
// As for the arrays beneath: one writer of an element, or readers only, and a
// hand-over between them.
//
// A [mat.Dense] stays on shared memory as long as it keeps its shape. What
// gives it another backing slice takes it off: CloneFrom, SetRawMatrix, Grow, and
// Reset followed by a larger result. gonum's check that a receiver does not
// overlap an operand compares addresses: it cannot see that two mappings of one
// segment are the same memory.
package gonum
