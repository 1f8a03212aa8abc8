package shm

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParts(t *testing.T) {
	a := newRun(t).NewArena(nil)
	x, err := Make[int32](a, 4, 3)
	require.NoError(t, err)
	defer x.Release()
	for i := range x.Data() {
		x.Data()[i] = int32(i)
	}
	require.Equal(t, []int32{6, 7, 8}, x.Row(2).Data())
	require.Equal(t, []int{3}, x.Row(2).Shape().Dims())
	require.Equal(t, []int32{3, 4, 5, 6, 7, 8}, x.View().Rows(1, 3).Data())
	require.Equal(t, int32(8), x.View().Rows(1, 3).At(1, 2))
	require.Equal(t, int32(7), x.Row(2).Row(1).At())
	require.Equal(t, int32(7), x.Reshape(2, 6).At(1, 1))
	require.Equal(t, int32(11), x.Reshape(12).Rows(10, 12).Reshape(2, 1).At(1, 0))

	x.Row(1).Data()[0] = 99
	require.Equal(t, int32(99), x.At(1, 0))
	row := x.Row(1).Data()
	require.Equal(t, 3, cap(row), "an append would run into the next row")

	// Another process finds the part by its Ref.
	v, err := Bind[int32](a.slabs[0].seg, x.Rows(1, 3).Ref())
	require.NoError(t, err)
	require.Equal(t, x.Rows(1, 3).Data(), v.Data())
	v.Release()

	// So does the arena, which knows of what it is a part.
	v, err = Lookup[int32](a, x.Rows(1, 3).Ref())
	require.NoError(t, err)
	require.Equal(t, x.Rows(1, 3).Data(), v.Data())
	v.Release()
	wrong := x.Rows(1, 3).Ref()
	wrong.Generation++
	_, err = Lookup[int32](a, wrong)
	require.ErrorIs(t, err, ErrStale)
	wrong = x.Ref()
	wrong.Offset -= 1 << 40
	_, err = Lookup[int32](a, wrong)
	require.Error(t, err)
	_, err = Lookup[float32](a, x.Ref())
	require.ErrorContains(t, err, "expected float32")

	// A part pins the whole.
	pin, err := x.Row(0).Pin()
	require.NoError(t, err)
	pin.Release()
	require.Panics(t, func() { x.Row(0).Release() })

	empty := x.Rows(4, 4)
	require.Empty(t, empty.Data())
	require.Equal(t, []int{0, 3}, empty.Shape().Dims())
	require.NoError(t, empty.Ref().Validate(0))
	var zero View[int32]
	require.Empty(t, zero.Rows(0, 0).Data())
	require.Empty(t, zero.Reshape(0, 7).Data())

	for name, f := range map[string]func(){
		"row":       func() { x.Row(4) },
		"negative":  func() { x.Rows(-1, 1) },
		"crossed":   func() { x.Rows(2, 1) },
		"past":      func() { x.Rows(1, 5) },
		"scalar":    func() { x.Row(0).Row(0).Row(0) },
		"too large": func() { x.Reshape(13) },
		"too small": func() { x.Reshape(11) },
		"bad shape": func() { x.Reshape(-3, -4) },
	} {
		require.Panics(t, f, name)
	}
}
