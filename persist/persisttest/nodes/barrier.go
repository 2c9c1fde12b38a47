package nodes

import (
	"encoding/binary"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
)

// barrierTests are about what holds at once, and not only after the lease.
func barrierTests() []test {
	return []test{
		{"after Barrier no node serves what was destroyed", 3, func(f *fixture) {
			a := f.nodes[0]
			id, token := f.login(a, "ann")
			for _, n := range f.nodes[1:] {
				f.trusts(n, token)
			}
			f.fault(f.nodes[1].silence)
			f.fault(f.nodes[2].cut)
			f.ok("Destroy", a.Destroy(f.Context(), id))
			f.ok("Barrier", a.Barrier(f.Context()))
			for _, n := range f.nodes[1:] {
				f.opens(n, token, false, "after Barrier")
			}
		}},
		{"Verify refuses at once what another node has destroyed", 2, func(f *fixture) {
			a, b := f.nodes[0], f.nodes[1]
			id, token := f.login(a, "ann")
			f.trusts(b, token)
			f.fault(b.silence)
			_, err := b.Verify(f.Context(), token)
			f.ok("Verify", err)
			f.ok("Destroy", a.Destroy(f.Context(), id))
			if _, err := b.Verify(f.Context(), token); err == nil {
				f.Fatal("it is verified, and was destroyed before")
			}
			f.opens(b, token, false, "after Verify has refused it")
		}},
		{"Verify returns what another node has changed before, whatever news it misses", 2, verifyReturnsTheRow},
	}
}

// verifyReturnsTheRow: the news of the change are under way, and so many others come during the read that it may
// not be kept.
func verifyReturnsTheRow(f *fixture) {
	a, b := f.nodes[0], f.nodes[1]
	id, token := f.login(a, "ann")
	f.trusts(b, token)
	f.fault(func() func() { return b.link.slow(f.lease / 2) })
	f.ok("Update", set(f.Context(), a, id, "k", 1))
	defer b.link.onRead(func() {
		b.link.overtake(func(s persist.Sink) { s.Invalidate(manyChanges(1 << 17)) })
		f.wait(f.lease / 10)
	})()
	s, err := b.Verify(f.Context(), token)
	f.ok("Verify", err)
	if got, _, _ := sessile.Get[int](s, "k"); got != 1 {
		f.Fatalf("Verify returned %d, and 1 was acknowledged before", got)
	}
}

// manyChanges are events of n sessions that do not exist.
func manyChanges(n int) []persist.Event {
	events := make([]persist.Event, n)
	for i := range events {
		id := persist.ID{0: 1}
		binary.BigEndian.PutUint32(id[12:], uint32(i))
		events[i] = persist.Event{Kind: persist.EventSessionChanged, ID: id}
	}
	return events
}
