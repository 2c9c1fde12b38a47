package sessile

import "github.com/sessile/sessile/actor"

// Histogram is the distribution of values since the store was opened. It is a snapshot: the store
// does not change it.
type Histogram struct {
	Count uint64  // number of values
	Sum   float64 // sum of the values
	// Buckets are in order of UpTo. Each UpTo is twice the one before. Values above the last one are
	// counted only in Count.
	Buckets [actor.HistogramBounds]Bucket
}

// Bucket is one bucket of a [Histogram].
type Bucket struct {
	UpTo  float64 // inclusive upper bound
	Count uint64  // cumulative: number of values up to UpTo
}

// newHistogram converts h, whose first bound is first. It divides all values by scale.
func newHistogram(h actor.Histogram, first int64, scale float64) Histogram {
	out := Histogram{Sum: float64(h.Sum) / scale}
	for i, n := range h.Counts {
		out.Count += n
		if i < len(out.Buckets) {
			out.Buckets[i] = Bucket{UpTo: float64(first<<i) / scale, Count: out.Count}
		}
	}
	return out
}

// Quantile estimates the q-quantile, for example 0.99, by interpolation within its bucket. It
// returns 0 if there are no values, and the last bound if the quantile lies above it.
func (h Histogram) Quantile(q float64) float64 {
	rank := min(max(q, 0), 1) * float64(h.Count)
	var lower Bucket
	for _, b := range h.Buckets {
		if b.Count > 0 && float64(b.Count) >= rank {
			share := (rank - float64(lower.Count)) / float64(b.Count-lower.Count)
			return lower.UpTo + share*(b.UpTo-lower.UpTo)
		}
		lower = b
	}
	if h.Count == 0 {
		return 0
	}
	return lower.UpTo
}
