package admin

import (
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/metrics"
)

// sample is a reading and its time.
type sample struct {
	at     time.Time
	read   *metrics.Reading
	stored *int
}

// live is what the overview shows: the tiles, and a point for each plot.
type live struct {
	Health health   `json:"health"`
	Tiles  []tile   `json:"tiles"`
	At     float64  `json:"at"` // Unix time of the points, in seconds
	Points []*point `json:"points"`
}

// tile is one figure as text.
type tile struct {
	Key   string `json:"key"`
	Label string `json:"-"`
	Value string `json:"value"`
	Note  string `json:"note"`
}

// point is a value of a plot; nil means that nothing happened that could be measured.
type point = float64

// newLive describes now. Rates and quantiles are those since before, or "–" if that is nil.
func newLive(before *sample, now sample, c sessile.Config) live {
	d := between(before, now)
	return live{
		Health: newHealth(now.read.Health), Tiles: tiles(d, now, c), At: float64(now.at.UnixMilli()) / 1e3,
		Points: []*point{scaled(d.hitRate(), 100), d.rate(d.reads), d.rate(d.writes), scaled(d.commit(0.5), 1e3), scaled(d.commit(0.99), 1e3), d.batch(), age(now)},
	}
}

func age(now sample) *point {
	ms := now.read.Stats.OldestPending.Seconds() * 1e3
	return &ms
}

func scaled(p *point, by float64) *point {
	if p == nil {
		return nil
	}
	x := *p * by
	return &x
}

// delta is what happened between two samples.
type delta struct {
	seconds       float64 // 0 if there is no earlier sample
	hits, reads   uint64
	cold, writes  uint64
	commits, size sessile.Histogram
}

func between(before *sample, now sample) delta {
	if before == nil {
		return delta{}
	}
	a, b := before.read.Stats, now.read.Stats
	return delta{
		seconds: now.at.Sub(before.at).Seconds(),
		hits:    since(a.Hits, b.Hits), cold: since(a.ColdReads, b.ColdReads),
		reads:   since(a.Hits+a.ColdReads, b.Hits+b.ColdReads),
		writes:  since(changes(a), changes(b)),
		commits: subtract(a.CommitSeconds, b.CommitSeconds), size: subtract(a.BatchSizes, b.BatchSizes),
	}
}

// changes counts everything that a store was asked to write.
func changes(s sessile.Stats) uint64 {
	return s.Created + s.Destroyed + s.Rotated + s.Flushes + s.Touches
}

// since subtracts two values of a counter. A closed store reports 0.
func since(a, b uint64) uint64 { return max(a, b) - a }

// subtract returns the values that b has and a does not.
func subtract(a, b sessile.Histogram) sessile.Histogram {
	if b.Count < a.Count {
		return sessile.Histogram{}
	}
	b.Count, b.Sum = b.Count-a.Count, b.Sum-a.Sum
	for i := range b.Buckets {
		b.Buckets[i].Count -= a.Buckets[i].Count
	}
	return b
}

func (d delta) rate(n uint64) *point {
	if d.seconds <= 0 {
		return nil
	}
	x := float64(n) / d.seconds
	return &x
}

func (d delta) hitRate() *point { return share(d.hits, d.reads) }

// share returns part/of, or nil if of is 0.
func share(part, of uint64) *point {
	if of == 0 {
		return nil
	}
	x := float64(part) / float64(of)
	return &x
}

// commit returns a quantile of the commit times, in seconds.
func (d delta) commit(q float64) *point {
	if d.commits.Count == 0 {
		return nil
	}
	x := d.commits.Quantile(q)
	return &x
}

// batch returns the mean number of changes in a commit.
func (d delta) batch() *point {
	if d.size.Count == 0 {
		return nil
	}
	x := d.size.Sum / float64(d.size.Count)
	return &x
}

// tiles returns the figures in the order of the page.
func tiles(d delta, now sample, c sessile.Config) []tile {
	s, h := now.read.Stats, now.read.Health
	all := delta{hits: s.Hits, reads: s.Hits + s.ColdReads, commits: s.CommitSeconds, size: s.BatchSizes}
	list := []tile{
		{"stored", "Sessions stored", whole(now.stored), "expired ones included"},
		{"hot", "In memory", count(s.Hot), "limit " + count(c.CacheSize) + ", " + size(int64(s.HotBytes))},
		{"hit_rate", "Hit rate", percent(d.hitRate()), percent(all.hitRate()) + " since the start"},
		{"reads", "Reads per second", decimal(d.rate(d.reads)), decimal(d.rate(d.cold)) + " from the disk"},
		{"writes", "Writes per second", decimal(d.rate(d.writes)), count(changes(s)) + " since the start"},
		{"pending", "Not on disk yet", count(s.Pending), size(int64(s.PendingBytes)) + " of data"},
		{"oldest", "Oldest unwritten change", span(s.OldestPending), "written within " + span(c.BatchInterval) + " normally"},
		{"commit", "Commit time, p99", seconds(d.commit(0.99)), "median " + seconds(d.commit(0.5)) + ", p99 since the start " + seconds(all.commit(0.99))},
		{"batch", "Changes per commit", decimal(d.batch()), decimal(all.batch()) + " since the start"},
		{"evicted", "Evicted over a limit", count(s.Evicted), count(s.CacheEvictions) + " left memory only"},
		{"refused", "Calls refused", count(s.Overloaded), count(s.TouchesDropped) + " touches dropped"},
	}
	if h.FileBytes > 0 {
		list = append(list, tile{"file", "File", size(h.FileBytes), "write-ahead log " + size(h.WALBytes)})
	}
	if h.Lease > 0 {
		list = append(list, tile{"lease", "Lease", span(h.Lease), "other nodes share this store"})
	}
	return list
}
