package sessile_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/sessile/sessile"
)

// histogram returns n values in each bucket. The upper bounds are 1, 2, 4 and so on.
func histogram(over uint64, n ...uint64) (h sessile.Histogram) {
	for i := range h.Buckets {
		if i < len(n) {
			h.Count += n[i]
		}
		h.Buckets[i] = sessile.Bucket{UpTo: float64(int(1) << i), Count: h.Count}
	}
	h.Count += over
	return h
}

func TestHistogramQuantileInterpolatesWithinABucket(t *testing.T) {
	last := float64(1 << (len(sessile.Histogram{}.Buckets) - 1))
	for _, c := range []struct {
		h       sessile.Histogram
		q, want float64
	}{
		{histogram(0), 0.5, 0},
		{histogram(0, 0, 0, 10), 0, 2},
		{histogram(0, 0, 0, 10), 0.5, 3},
		{histogram(0, 0, 0, 10), 1, 4},
		{histogram(0, 0, 0, 10), 7, 4},
		{histogram(0, 0, 0, 10), -7, 2},
		{histogram(0, 10), 0.5, 0.5},
		{histogram(0, 50, 0, 50), 0.5, 1},
		{histogram(0, 50, 0, 50), 0.75, 3},
		{histogram(1, 99), 0.99, 1},
		{histogram(2, 98), 0.99, last},
	} {
		if got := c.h.Quantile(c.q); got != c.want {
			t.Errorf("quantile %v of %v is %v, want %v", c.q, c.h, got, c.want)
		}
	}
}

func TestStatsHistogramsCountCommits(t *testing.T) {
	s := openIn(t, sessile.Config{})
	for range 3 {
		login(t, s, "ann")
	}
	stats := s.Stats()
	commits, sizes := stats.CommitSeconds, stats.BatchSizes
	if commits.Count != stats.Batches || sizes.Count != stats.Batches || sizes.Sum != float64(stats.BatchItems) {
		t.Errorf("%d commits of %v items, want %d of %d", commits.Count, sizes.Sum, stats.Batches, stats.BatchItems)
	}
	if commits.Sum <= 0 || commits.Quantile(1) > 10*commits.Sum || sizes.Quantile(1) != 1 {
		t.Errorf("commits take %v s, at most %v s, for up to %v items", commits.Sum, commits.Quantile(1), sizes.Quantile(1))
	}
	if first, second := commits.Buckets[0].UpTo, commits.Buckets[1].UpTo; first != 50e-6 || second != 100e-6 {
		t.Errorf("the first bounds are %v and %v, want 50 and 100 microseconds", first, second)
	}
	if b, err := json.Marshal(stats); err != nil || !bytes.Contains(b, []byte(`"CommitSeconds":{"Count":3,`)) {
		t.Errorf("%s, %v", b, err)
	}
}
