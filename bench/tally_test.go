package bench

import (
	"math/bits"
	"testing"
	"time"
)

// tally counts times in buckets that are at most 1.6 % wide. It is not safe for concurrent use: each client has one.
type tally struct {
	counts [64 * 64]uint64
	n      uint64
	max    time.Duration
}

// tallyBits is the logarithm of the number of buckets for each power of two.
const tallyBits = 6

// add counts one time.
func (t *tally) add(d time.Duration) {
	t.counts[bucket(uint64(max(d, 0)))]++
	t.n++
	t.max = max(t.max, d)
}

// bucket returns the index of the bucket of v.
func bucket(v uint64) int {
	shift := max(bits.Len64(v)-tallyBits-1, 0)
	return shift<<tallyBits + int(v>>shift)
}

// lower returns the least value of a bucket.
func lower(i int) uint64 {
	shift := max(i>>tallyBits-1, 0)
	return uint64(i-shift<<tallyBits) << shift
}

// join adds the counts of another tally.
func (t *tally) join(o *tally) {
	for i, n := range o.counts {
		t.counts[i] += n
	}
	t.n += o.n
	t.max = max(t.max, o.max)
}

// quantile returns a time in microseconds, or 0 if nothing was counted.
func (t *tally) quantile(q float64) float64 {
	left := uint64(q * float64(t.n))
	for i, n := range t.counts {
		if n > left {
			return float64(lower(i)) / 1000
		}
		left -= n
	}
	return float64(t.max.Nanoseconds()) / 1000
}

// quantiles are those of a row.
type quantiles struct {
	P50US  float64 `json:"p50_us"`
	P99US  float64 `json:"p99_us"`
	P999US float64 `json:"p999_us"`
	MaxUS  float64 `json:"max_us"`
}

func (t *tally) summary() quantiles {
	return quantiles{t.quantile(0.5), t.quantile(0.99), t.quantile(0.999), float64(t.max.Nanoseconds()) / 1000}
}

// TestTallyKeepsQuantiles compares the buckets with the exact values.
func TestTallyKeepsQuantiles(t *testing.T) {
	var a, b tally
	for i := range 100_000 {
		if i%2 == 0 {
			a.add(time.Duration(i) * time.Microsecond)
		} else {
			b.add(time.Duration(i) * time.Microsecond)
		}
	}
	a.join(&b)
	for q, want := range map[float64]float64{0: 0, 0.5: 50_000, 0.99: 99_000, 0.999: 99_900} {
		if got := a.quantile(q); got > want || got < want*0.98 {
			t.Errorf("quantile %v: got %v, want %v", q, got, want)
		}
	}
	if got := a.summary().MaxUS; got != 99_999 || a.n != 100_000 {
		t.Errorf("max %v, n %d", got, a.n)
	}
	for _, v := range []uint64{0, 1, 63, 64, 127, 128, 1 << 40, 1<<63 - 1} {
		if l := lower(bucket(v)); l > v || float64(v-l) > float64(v)*0.016 {
			t.Errorf("bucket of %d begins at %d", v, l)
		}
	}
}
