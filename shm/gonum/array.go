package gonum

import (
	"fmt"

	"gonum.org/v1/gonum/mat"

	"example.com/handoff/shm"
)

// Dense is a matrix over a, which must be of rank 2 and have elements, or Dense
// panics. Reading it and storing to it reads and stores a's elements; it is dead
// once a was released.
func Dense(a shm.Array[float64]) *mat.Dense {
	d := dims(a.Shape(), 2)
	return mat.NewDense(d[0], d[1], a.Data())
}

// VecDense is [Dense] for a vector: a must be of rank 1.
func VecDense(a shm.Array[float64]) *mat.VecDense {
	return mat.NewVecDense(dims(a.Shape(), 1)[0], a.Data())
}

// CDense is [Dense] for complex elements.
func CDense(a shm.Array[complex128]) *mat.CDense {
	d := dims(a.Shape(), 2)
	return mat.NewCDense(d[0], d[1], a.Data())
}

// dims is the dimensions of a shape that has as many as expected, and elements:
// mat's constructors take nil data for a wish to allocate.
func dims(s shm.Shape, rank int) []int {
	if s.Rank() != rank {
		panic(fmt.Sprintf("gonum: array of shape %v, expected rank %d", s, rank))
	}
	if s.Len() == 0 {
		panic(mat.ErrZeroLength)
	}
	return s.Dims()
}
