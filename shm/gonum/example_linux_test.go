package gonum_test

import (
	"fmt"
	"log"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"example.com/handoff/shm"
	"example.com/handoff/shm/gonum"
)

// A product whose operands and result lie in shared memory: another process
// gets the result by its Ref.
func ExampleDense() {
	run, err := shm.NewRun()
	if err != nil {
		log.Fatal(err)
	}
	defer run.Close()
	arena := run.NewArena(nil)
	a, err := shm.PutCopy(arena, []float64{1, 2, 3, 4, 5, 6}, 2, 3)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Release()
	out, err := shm.Make[float64](arena, 2, 2)
	if err != nil {
		log.Fatal(err)
	}
	defer out.Release()

	x := gonum.MatrixOf(a.View())
	gonum.Dense(out).Mul(x, x.T())
	floats.Scale(0.5, out.Data())
	fmt.Println(out.Data(), out.Ref().Shape)
	// Output:
	// [7 16 16 38.5] [2 2]
}

// Read-only vectors, rows of one array.
func ExampleVectorOf() {
	run, err := shm.NewRun()
	if err != nil {
		log.Fatal(err)
	}
	defer run.Close()
	a, err := shm.PutCopy(run.NewArena(nil), []float64{1, 2, 3, 4, 5, 6}, 2, 3)
	if err != nil {
		log.Fatal(err)
	}
	defer a.Release()

	v := a.View()
	fmt.Println(mat.Dot(gonum.VectorOf(v.Row(0)), gonum.VectorOf(v.Row(1))))
	// Output: 32
}
