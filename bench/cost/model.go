package cost

import "errors"

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
	// Band is by which factor a measured median may be above or below the model: see [Model.Predict].
	// 0 is not known.
	Band   float64
	Fitted []int64 // the sizes that the fit has seen, ascending
}

// A Piece holds for sizes from FromBytes to ToBytes, both of which were measured.
type Piece struct {
	FromBytes, ToBytes int64
	FixedNS            float64 // where the line meets size 0; may be negative for all but the first piece
	NSPerByte          float64 // 0 or more
}

// A Prediction is what a model says about a size it may not have seen.
type Prediction struct{ NS, LowNS, HighNS float64 }

// Fit fits a model to the points of one strategy. Breaks are sizes beyond which a cache is
// exhausted; nil: they are looked for among the measured sizes.
func Fit(points []Point, breaks []int64) (Model, error) { return Model{}, errors.ErrUnsupported }

// FitAll fits a model to each strategy's points, in the order in which they first occur.
func FitAll(points []Point, breaks []int64) ([]Model, error) { return nil, errors.ErrUnsupported }

// Predict is what the model says about a size.
func (m Model) Predict(bytes int64) Prediction { return Prediction{} }
