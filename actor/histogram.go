package actor

import "math/bits"

// HistogramBounds is how many upper bounds a Histogram has.
const HistogramBounds = 18

// The first upper bounds of the histograms in Stats. Each further one is twice the one before.
const (
	FirstCommitTime = 50 // microseconds; the last bound is 6.6 s
	FirstBatchSize  = 1  // items; the last bound is 131,072
)

// Histogram counts values by powers of two. Only the loop adds to one; Stats has copies.
type Histogram struct {
	Counts [HistogramBounds + 1]uint64 // by bucket; the last one has what is over every bound
	Sum    uint64
}

// add counts a value. The bounds are first, 2*first, 4*first and so on; a bound belongs to
// the bucket below it.
func (h *Histogram) add(value, first int64) {
	value = max(value, 0)
	h.Counts[min(bits.Len64(uint64(max(value-1, 0)/first)), HistogramBounds)]++
	h.Sum += uint64(value)
}
