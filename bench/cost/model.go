package cost

import (
	"math"
	"slices"
	"sort"
)

// A Point is the median time of one handoff by a strategy at a size.
type Point struct {
	Strategy string
	Bytes    int64
	NS       float64
}

// A Model is a strategy's time by size, in pieces that end where caches do:
// fixed + bytes × slope.
type Model struct {
	Strategy string
	Pieces   []Piece // by size
	// Band is by which factor a measured median may be above or below the model
	// where the model holds; 0 is not known.
	Band   float64
	Fitted []int64 // the sizes that the fit has seen, ascending

	deviations []float64 // of these sizes from the model, absolute, of the logarithm
}

// A Piece holds for sizes from FromBytes to ToBytes, both of which were measured.
type Piece struct {
	FromBytes, ToBytes int64
	FixedNS            float64 // where the line meets size 0; may be negative for all but the first piece
	NSPerByte          float64 // 0 or more
}

func (p Piece) at(bytes int64) float64 { return p.FixedNS + p.NSPerByte*float64(bytes) }

// A Prediction is what a model says about a size, and between which times a measured median
// is expected: 0 and +Inf where nothing is known about that.
type Prediction struct{ NS, LowNS, HighNS float64 }

// Predict is what the model says about a size. Between two pieces either may hold, and the
// bounds are those of both. Beside a size that is itself beyond the band, the bounds are as
// wide as that. Beyond the sizes that were measured the outermost piece
// goes on, without bounds.
func (m Model) Predict(bytes int64) Prediction {
	if len(m.Pieces) == 0 {
		return Prediction{math.NaN(), 0, math.Inf(1)}
	}
	i := max(0, sort.Search(len(m.Pieces), func(i int) bool { return m.Pieces[i].FromBytes > bytes })-1)
	ns := m.Pieces[i].at(bytes)
	low, high := ns, ns
	if last := len(m.Pieces) - 1; i < last && bytes > m.Pieces[i].ToBytes {
		next := m.Pieces[i+1].at(bytes)
		low, high = min(ns, next), max(ns, next)
		if float64(bytes) > middle(m.Pieces[i].ToBytes, m.Pieces[i+1].FromBytes) {
			ns = next
		}
	}
	if outside := bytes < m.Pieces[0].FromBytes || bytes > m.Pieces[len(m.Pieces)-1].ToBytes; outside || m.Band == 0 {
		return Prediction{ns, 0, math.Inf(1)}
	}
	band := m.bandAt(bytes)
	return Prediction{ns, max(0, low) / band, high * band}
}

// bandAt is the band at a size between the least and the greatest that were fitted.
func (m Model) bandAt(bytes int64) float64 {
	band := m.Band
	above, _ := slices.BinarySearch(m.Fitted, bytes)
	for i := max(0, above-1); i <= above && i < len(m.deviations); i++ {
		band = max(band, math.Exp(m.deviations[i]))
	}
	return band
}

// logRatio is the logarithm of a's predicted time over b's.
func logRatio(a, b Model, bytes int64) float64 {
	return math.Log(a.Predict(bytes).NS) - math.Log(b.Predict(bytes).NS)
}

// crossings are the sizes between least and most at which the predictions of a and b cross.
func crossings(a, b Model, least, most int64) (sizes []int64) {
	const perDoubling = 16 // sizes that are looked at
	before, last := math.NaN(), int64(0)
	for i := 0; last < most; i++ {
		bytes := min(most, max(last+1, int64(float64(max(1, least))*math.Exp2(float64(i)/perDoubling))))
		now := logRatio(a, b, bytes)
		if before*now < 0 {
			sizes = append(sizes, int64(middle(last, bytes)))
		}
		if now != 0 {
			before = now
		}
		last = bytes
	}
	return sizes
}

// middle is the geometric mean of two sizes.
func middle(x, y int64) float64 { return math.Sqrt(float64(max(1, x)) * float64(max(1, y))) }
