package admin

import (
	"math"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/metrics"
)

func at(seconds int, s sessile.Stats) sample {
	return sample{at: time.Unix(int64(seconds), 0), read: &metrics.Reading{Stats: s}}
}

// histogram has a bucket up to 1 and one up to 2.
func histogram(upTo1, upTo2 uint64) (h sessile.Histogram) {
	for i := range h.Buckets {
		h.Buckets[i] = sessile.Bucket{UpTo: math.Ldexp(1, i), Count: upTo2}
	}
	h.Buckets[0].Count, h.Count, h.Sum = upTo1, upTo2, float64(2*upTo2)
	return h
}

func TestLiveFiguresAreThoseOfTheLastInterval(t *testing.T) {
	before := at(100, sessile.Stats{Hits: 1000, ColdReads: 1000, Flushes: 5, CommitSeconds: histogram(90, 90), BatchSizes: histogram(50, 50)})
	now := at(102, sessile.Stats{
		Hits: 1030, ColdReads: 1010, Flushes: 9, Created: 2, CommitSeconds: histogram(90, 100), BatchSizes: histogram(50, 60), OldestPending: time.Second,
	})
	l := newLive(&before, now, sessile.Config{})
	for i, want := range []float64{75, 20, 3, 1500, 1990, 2, 1000} {
		if got := l.Points[i]; got == nil || math.Abs(*got-want) > 1e-6 {
			t.Errorf("point %d: %v, want %v", i, got, want)
		}
	}
	for key, want := range map[string]string{"hit_rate": "75.0 %", "reads": "20.0", "writes": "3.0", "batch": "2.0", "commit": "2 s", "oldest": "1 s"} {
		if got := find(l.Tiles, key).Value; got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}

func TestLiveFiguresAreEmptyWithoutAnInterval(t *testing.T) {
	now := at(1, sessile.Stats{Hits: 1, ColdReads: 3, Flushes: 5})
	same := newLive(&now, at(1, now.read.Stats), sessile.Config{})
	for name, l := range map[string]live{"first": newLive(nil, now, sessile.Config{}), "no time": same} {
		for i, p := range l.Points[:6] {
			if p != nil {
				t.Errorf("%s: point %d is %v", name, i, *p)
			}
		}
		if got := find(l.Tiles, "hit_rate"); got.Value != none || got.Note != "25.0 % since the start" {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// TestLiveFiguresSurviveACounterThatFalls: a closed store reports 0.
func TestLiveFiguresSurviveACounterThatFalls(t *testing.T) {
	before := at(1, sessile.Stats{Hits: 10, Flushes: 10, CommitSeconds: histogram(1, 2), BatchSizes: histogram(1, 2)})
	l := newLive(&before, at(2, sessile.Stats{}), sessile.Config{})
	if r := l.Points[1]; r == nil || *r != 0 || l.Points[3] != nil {
		t.Errorf("%v", l.Points)
	}
}

func TestTilesShowFileAndLeaseOnlyWhereTheyExist(t *testing.T) {
	now := at(1, sessile.Stats{})
	for _, h := range []sessile.Health{{}, {FileBytes: 4096, Lease: time.Second}} {
		now.read.Health = h
		l := newLive(nil, now, sessile.Config{})
		if got := find(l.Tiles, "lease").Value != "" && find(l.Tiles, "file").Value != ""; got != (h.Lease > 0) {
			t.Errorf("%+v: %v", h, l.Tiles)
		}
	}
}

func find(all []tile, key string) tile {
	for _, t := range all {
		if t.Key == key {
			return t
		}
	}
	return tile{}
}

func TestFormatsAreShort(t *testing.T) {
	f := func(x float64) *float64 { return &x }
	for got, want := range map[string]string{
		count(0): "0", count(999): "999", count(1000): "1,000", count(-1234567): "-1,234,567",
		size(0): "0 B", size(1000): "1.0 kB", size(12_345_678): "12.3 MB", size(math.MaxInt64): "9223372.0 TB",
		decimal(nil): none, decimal(f(0.04)): "0.0", decimal(f(99.94)): "99.9", decimal(f(1234.5)): "1,235",
		percent(nil): none, percent(f(0.99999)): "99.9 %", percent(f(1)): "100.0 %",
		span(0): "0 s", span(time.Microsecond): "1 µs", span(1500 * time.Microsecond): "1.5 ms", span(40 * time.Millisecond): "40 ms", span(90 * time.Second): "90 s",
		span(time.Hour): "60 min", span(5 * time.Hour): "5 h", span(72 * time.Hour): "3 days",
		ago(0): "now", ago(-time.Hour): "now", ago(61500 * time.Millisecond): "61 s ago", until(0): "over", until(time.Millisecond): "in 1 s",
		visible("a\u202eb\x1b[2J"): "a\uFFFDb\uFFFD[2J",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
