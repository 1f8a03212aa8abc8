package codec

import (
	"math/rand/v2"
	"os"
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/codec/codectest"
)

// What arrives is the same as what was sent, and no damage to its bytes does more than that
// something else arrives, for random types and values.
func TestPropertyArrives(t *testing.T) {
	types, values := 100, 20
	if os.Getenv("HANDOFF_SOAK") != "" {
		types = 5000 // 10⁵ values
	}
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	g := codectest.Generator{Rand: r}
	for range types {
		typ := codectest.Type(r, 4)
		p, err := CompileArgument(typ)
		require.NoError(t, err, typ)
		for range values {
			v := g.Value(typ)
			sent := reflect.New(typ)
			sent.Elem().Set(v)
			b, large, err := p.encode(nil, sent.UnsafePointer(), nil)
			require.NoError(t, err, "%d %v", seed, typ)
			if large != nil {
				b = make([]byte, large.Bytes())
				require.NoError(t, large.Write(b, nil), "%d %v", seed, typ)
			}
			got := reflect.New(typ)
			require.NoError(t, p.decode(b, got.UnsafePointer(), nil), "%d %v", seed, typ)
			require.NoError(t, codectest.Same(sent.Elem(), got.Elem()), "%d %v", seed, typ)
			for range min(len(b), 3) {
				damaged := append([]byte(nil), b[:r.IntN(len(b)+1)]...)
				if len(damaged) > 0 {
					damaged[r.IntN(len(damaged))] = byte(r.Uint32())
				}
				p.decode(damaged, reflect.New(typ).UnsafePointer(), nil)
			}
		}
	}
}
