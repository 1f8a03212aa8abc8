package shm

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func shapeOf(t testing.TB, dims ...int) Shape {
	t.Helper()
	s, err := ShapeOf(dims...)
	require.NoError(t, err)
	return s
}

func TestCheckName(t *testing.T) {
	for _, good := range []string{"a", "psm_1f2e3d", "handoff-0123456789abcdef01234567-1", strings.Repeat("x", 200)} {
		require.NoError(t, CheckName(good), good)
	}
	for _, bad := range []string{"", ".", "..", "/", "a/b", "../x", ".hidden", "a\x00b", "a\nb", "\xff", "é", "a b",
		strings.Repeat("x", 201), strings.Repeat("x", 300), "handoff-0123456789abcdef01234567.lock"} {
		require.ErrorIs(t, CheckName(bad), ErrName, "%q", bad)
	}
}

func TestRefValidate(t *testing.T) {
	const size = 4096
	neg := Shape{rank: 1, dims: [MaxRank]int{-1}}
	huge := Shape{rank: 3, dims: [MaxRank]int{1 << 31, 1 << 31, 1 << 31}}
	hidden := Shape{rank: 3, dims: [MaxRank]int{0, math.MaxInt, math.MaxInt}}
	for name, row := range map[string]struct {
		ref  Ref
		want string // "" is valid
	}{
		"whole segment":       {Ref{"s", 0, 0, Float64, shapeOf(t, 512)}, ""},
		"scalar":              {Ref{"s", 4088, 0, Float64, Shape{}}, ""},
		"zero elements":       {Ref{"s", 4096, 0, Float64, shapeOf(t, 3, 0)}, ""},
		"zero, no segment":    {Ref{"", 0, 0, Float64, shapeOf(t, 0)}, ""},
		"no segment":          {Ref{"", 0, 0, Float64, shapeOf(t, 1)}, "not a valid segment name"},
		"bad name":            {Ref{"../s", 0, 0, Float64, shapeOf(t, 1)}, "not a valid segment name"},
		"past the end":        {Ref{"s", 0, 0, Float64, shapeOf(t, 513)}, "end past"},
		"offset past the end": {Ref{"s", 4096, 0, Uint8, shapeOf(t, 1)}, "end past"},
		"offset wraps":        {Ref{"s", math.MaxInt64 - 7, 0, Float64, shapeOf(t, 512)}, "end past"},
		"negative offset":     {Ref{"s", -8, 0, Float64, shapeOf(t, 1)}, "negative"},
		"misaligned":          {Ref{"s", 4, 0, Float64, shapeOf(t, 1)}, "not a multiple of 8"},
		"no dtype":            {Ref{"s", 0, 0, 0, shapeOf(t, 1)}, "unknown dtype"},
		"unknown dtype":       {Ref{"s", 0, 0, 99, shapeOf(t, 1)}, "unknown dtype"},
		"negative dim":        {Ref{"s", 0, 0, Float64, neg}, "negative"},
		"overflow":            {Ref{"s", 0, 0, Float64, huge}, "overflows"},
		"overflow behind 0":   {Ref{"s", 0, 0, Float64, hidden}, "overflows"},
		"rank":                {Ref{"s", 0, 0, Float64, Shape{rank: 9}}, "rank"},
	} {
		t.Run(name, func(t *testing.T) {
			err := row.ref.Validate(size)
			if row.want == "" {
				require.NoError(t, err)
				require.Zero(t, testing.AllocsPerRun(10, func() { row.ref.Validate(size) }))
				return
			}
			require.ErrorContains(t, err, row.want)
		})
	}
}

func TestRefJSON(t *testing.T) {
	ref := Ref{"handoff-0123456789abcdef01234567-1", 64, 3, Float64, shapeOf(t, 1000, 2)}
	b, err := json.Marshal(ref)
	require.NoError(t, err)
	require.Equal(t, `{"segment":"handoff-0123456789abcdef01234567-1","offset":64,"generation":3,"dtype":"float64","shape":[1000,2]}`, string(b))
	var got Ref
	require.NoError(t, json.Unmarshal(b, &got))
	require.Equal(t, ref, got)
	require.NoError(t, json.Unmarshal([]byte(`{"segment":"s","offset":0,"dtype":"<f8","shape":[]}`), &got))
	require.Equal(t, Ref{Segment: "s", DType: Float64}, got)
	for _, bad := range []string{
		`{}`, `[]`, `"s"`, `{"segment":"s","offset":0,"dtype":">f8","shape":[1]}`,
		`{"segment":"s","offset":0,"dtype":"float64","shape":[-1]}`,
		`{"segment":"s","offset":0,"dtype":"float64","shape":null}`,
		`{"segment":"s","offset":0,"dtype":"float64","shape":[1,1,1,1,1,1,1,1,1]}`,
		`{"segment":"s","offset":0,"generation":-1,"dtype":"float64","shape":[1]}`,
		`{"segment":"s","offset":1e30,"dtype":"float64","shape":[1]}`,
		`{"segment":"/etc/passwd","offset":0,"dtype":"float64","shape":[1]}`,
		// What encoding/json would take for something else.
		`null`,
		`{"segment":"s","offset":0,"dtype":"float64","shape":[null]}`,
		`{"segment":"s","offset":0,"dtype":"float64","shape":[2,null]}`,
		`{"segment":"s","offset":0,"dtype":"float64","shape":[2.0]}`,
		`{"segment":"s","offset":0,"dtype":"float64","shape":[99999999999999999999]}`,
		`{"segment":"s","offset":0,"dtype":"float64","shape":{}}`,
		`{"segment":"s","offset":0,"dtype":"float64","Shape":[1]}`,
		`{"SEGMENT":"s","offset":0,"dtype":"float64","shape":[1]}`,
		`{"segment":"s","offset":0,"dtype":"float64","shape":[1],"Shape":[2]}`,
		`{"segment":"s","offset":0,"dtype":"float64","ſhape":[1]}`, // the long s folds to s
		`{"segment":"s","offset":0,"dtype":"float64","shape":[1],"shape":[2]}`,
		`{"segment":"s","offset":0,"offset":8,"dtype":"float64","shape":[1]}`,
		`{"segment":"s","offset":0,"dtype":"float64","shape":[1],"order":"F"}`,
		`{"segment":"s","offset":0,"generation":null,"dtype":"float64","shape":[1]}`,
		`{"segment":null,"offset":0,"dtype":"float64","shape":[1]}`,
		`{"segment":"s","offset":null,"dtype":"float64","shape":[1]}`,
		`{"segment":"s","offset":0,"dtype":null,"shape":[1]}`,
		`{"segment":"s","offset":0.0,"dtype":"float64","shape":[1]}`,
		`{"segment":"s","offset":"0","dtype":"float64","shape":[1]}`,
		`{"segment":"s","offset":0,"generation":4294967296,"dtype":"float64","shape":[1]}`,
		`{"segment":"s","offset":0,"dtype":11,"shape":[1]}`,
		`{"segment":"\ud800","offset":0,"dtype":"float64","shape":[1]}`, // no character
	} {
		before := got
		require.Error(t, json.Unmarshal([]byte(bad), &got), bad)
		require.Equal(t, before, got, "a refused Ref must leave no trace")
	}
	for _, bad := range []string{`{"segment":"s","offset":0,"dtype":"float64","shape":[1]} {}`, `{"segment":"s"`, `{"segment":"s",`, ``} {
		require.Error(t, got.UnmarshalJSON([]byte(bad)), bad) // json.Unmarshal itself refuses these
	}
}

func TestRefGob(t *testing.T) {
	type task struct {
		Ref   Ref
		Scale float64
	}
	in := task{Ref{"handoff-0123456789abcdef01234567-1", 64, 3, Int16, shapeOf(t, 4, 5)}, 2}
	var buf bytes.Buffer
	require.NoError(t, gob.NewEncoder(&buf).Encode(in))
	var out task
	require.NoError(t, gob.NewDecoder(&buf).Decode(&out))
	require.Equal(t, in, out)
	require.Error(t, gob.NewEncoder(&buf).Encode(Ref{Segment: "../x", DType: Int16}))
	for _, r := range []Ref{{DType: Float64, Shape: shapeOf(t, 0)}, {Segment: "s", DType: Float64}} {
		b, err := r.MarshalBinary()
		require.NoError(t, err)
		var got Ref
		require.NoError(t, got.UnmarshalBinary(b))
		require.Equal(t, r, got)
		for n := range b {
			require.Error(t, got.UnmarshalBinary(b[:n]))
		}
		require.Error(t, got.UnmarshalBinary(append(b, 0)))
	}
}

func FuzzRefBinary(f *testing.F) {
	b, err := Ref{"s", 8, 1, Float64, shapeOf(f, 1, 2)}.MarshalBinary()
	require.NoError(f, err)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Ref
		if r.UnmarshalBinary(b) != nil {
			require.Zero(t, r)
			return
		}
		out, err := r.MarshalBinary()
		require.NoError(t, err)
		require.Equal(t, b, out)
	})
}

func TestDTypes(t *testing.T) {
	for d := Bool; d.Valid(); d++ {
		got, err := ParseDType(d.String())
		require.NoError(t, err)
		require.Equal(t, d, got)
		got, err = ParseDType("<" + dtypes[d].code)
		require.NoError(t, err)
		require.Equal(t, d, got)
	}
	require.Equal(t, Complex128, DTypeOf[complex128]())
	require.Equal(t, Int8, DTypeOf[int8]())
	for _, bad := range []string{"", "float16", "f8", ">i4", "object"} {
		_, err := ParseDType(bad)
		require.Error(t, err, bad)
	}
}

func TestWireRef(t *testing.T) {
	w := WireRef{7, Ref{Offset: 64, Generation: 2, DType: Int16, Shape: shapeOf(t, 4, 5)}}
	b := w.Append(nil)
	require.Len(t, b, 24+16)
	got, rest, err := ReadWireRef(append(b, 1, 2))
	require.NoError(t, err)
	require.Equal(t, w, got)
	require.Equal(t, []byte{1, 2}, rest)
	for n := range b {
		_, _, err := ReadWireRef(b[:n])
		require.Error(t, err)
	}
}

func FuzzWireRef(f *testing.F) {
	f.Add(WireRef{7, Ref{DType: Float64}}.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		w, rest, err := ReadWireRef(b)
		if err != nil {
			return
		}
		require.Equal(t, b[:len(b)-len(rest)], w.Append(nil))
		w.Ref.Segment = "s"
		if w.Ref.Validate(1<<20) == nil {
			require.LessOrEqual(t, w.Ref.Offset+w.Ref.Bytes(), int64(1<<20))
		}
	})
}

func FuzzRefJSON(f *testing.F) {
	f.Add([]byte(`{"segment":"s","offset":0,"generation":1,"dtype":"<f8","shape":[1,2]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r, again Ref
		if json.Unmarshal(b, &r) != nil {
			require.Zero(t, r)
			return
		}
		out, err := json.Marshal(r)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(out, &again))
		require.Equal(t, r, again)
	})
}

func FuzzName(f *testing.F) {
	f.Add("handoff-0123456789abcdef01234567-1")
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName(name) == nil && (strings.ContainsAny(name, "/\x00") || name == "." || name == ".." || len(name) > 200) {
			t.Fatalf("accepted %q", name)
		}
	})
}
