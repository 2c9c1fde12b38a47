package actor

import (
	"math"
	"testing"

	"github.com/sessile/sessile/persist"
)

func TestHistogramBucketsDoubleAndHoldTheirUpperBound(t *testing.T) {
	for _, c := range []struct {
		value, first int64
		bucket       int
	}{
		{-1, 50, 0}, {0, 50, 0}, {50, 50, 0}, {51, 50, 1}, {100, 50, 1}, {101, 50, 2}, {200, 50, 2}, {201, 50, 3},
		{50 << 17, 50, 17}, {50<<17 + 1, 50, 18}, {math.MaxInt64, 50, 18},
		{0, 1, 0}, {1, 1, 0}, {2, 1, 1}, {3, 1, 2}, {4, 1, 2}, {5, 1, 3}, {4096, 1, 12},
	} {
		var h, want Histogram
		h.add(c.value, c.first)
		want.Counts[c.bucket], want.Sum = 1, uint64(max(c.value, 0))
		equal(t, "histogram", h, want)
	}
}

func TestStatsObserveTimeAndSizeOfSuccessfulCommits(t *testing.T) {
	g := newHarness(t, nil)
	first := g.create("u").ID
	before := g.stats()
	g.do(g.touch(first))
	g.do(g.update(g.create("v").ID, "1"))
	g.pass(interval)
	g.now += 700
	g.fails(persist.ErrUnavailable)
	failed := g.stats()
	g.pass(1_000_000)
	g.now += 700
	g.settle()
	after := g.stats()
	equal(t, "commits after the failure", failed.CommitTimes.Counts, func() [HistogramBounds + 1]uint64 {
		want := before.CommitTimes.Counts
		want[0]++ // the create of v
		return want
	}())
	equal(t, "commits of 401 to 800 microseconds", after.CommitTimes.Counts[4]-failed.CommitTimes.Counts[4], 1)
	equal(t, "their time", after.CommitTimes.Sum-failed.CommitTimes.Sum, 700)
	equal(t, "commits of two items", after.BatchSizes.Counts[1]-failed.BatchSizes.Counts[1], 1)
	equal(t, "their items", after.BatchSizes.Sum-failed.BatchSizes.Sum, 2)
}
