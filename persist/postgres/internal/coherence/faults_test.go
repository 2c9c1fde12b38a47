//go:build unix

package coherence

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"time"
)

// disturbance is a fault of the surroundings of a node.
type disturbance struct {
	name  string
	begin func(n *node, rng *rand.Rand) (mend func())
}

func nothing() {}

// feedFaults are those of the feed alone.
func feedFaults() []disturbance {
	return []disturbance{
		{"feed stalled", func(n *node, _ *rand.Rand) func() { return n.feed.Stall() }},
		{"feed cut", func(n *node, _ *rand.Rand) func() { return n.feed.Down() }},
		{"feed frozen", func(n *node, _ *rand.Rand) func() { n.feed.Freeze(); return nothing }},
	}
}

// allFaults are those of the feed, three times as often as others, and those of the other connections, of the process and of its clock.
func allFaults() []disturbance {
	return slices.Concat(feedFaults(), feedFaults(), feedFaults(), []disturbance{
		{"batches and reads stalled", func(n *node, _ *rand.Rand) func() { return n.pool.Stall() }},
		{"batches and reads cut", func(n *node, _ *rand.Rand) func() { return n.pool.Down() }},
		{"connections frozen", func(n *node, _ *rand.Rand) func() { n.pool.Freeze(); return nothing }},
		{"an answer to COMMIT lost", func(n *node, _ *rand.Rand) func() { n.pool.FreezeAt("\x00COMMIT\x00", true); return nothing }},
		{"a COMMIT lost", func(n *node, _ *rand.Rand) func() { n.pool.FreezeAt("\x00COMMIT\x00", false); return nothing }},
		{"process stopped", func(n *node, _ *rand.Rand) func() {
			p := n.current()
			p.signal(syscall.SIGSTOP)
			return func() { p.signal(syscall.SIGCONT) }
		}},
		{"clock set", func(n *node, rng *rand.Rand) func() {
			n.call(request{Verb: setClock, Value: rng.Int64N(2*int64(time.Hour)) - int64(time.Hour)})
			return nothing
		}},
	})
}

// disturb has one fault after the other happen to a node, until the run ends.
func (r *run) disturb(n *node, rng *rand.Rand) {
	for r.waits(time.Duration(rng.Int64N(int64(r.checker.lease)))) {
		if r.kills && rng.IntN(12) == 0 {
			r.count("process killed")
			if err := n.restart(time.Duration(rng.Int64N(int64(r.checker.lease)))); err != nil {
				r.checker.mu.Lock()
				r.checker.report(nodeDoesNotStart, "%v", err)
				r.checker.mu.Unlock()
				return
			}
			continue
		}
		d := r.disturbances[rng.IntN(len(r.disturbances))]
		r.count(d.name)
		mend := d.begin(n, rng)
		r.waits(time.Duration(rng.Int64N(int64(4 * r.checker.lease))))
		mend()
	}
}
