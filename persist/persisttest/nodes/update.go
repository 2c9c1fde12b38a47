package nodes

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
)

// updateTests are about changes of data.
func updateTests() []test {
	return []test{
		{"updates in turn on two nodes are all kept", 2, updatesInTurn},
		{"acknowledged updates of two nodes at once are all kept", 2, updatesAtOnce},
		{"updates of three nodes at once succeed", 3, contendingUpdates},
		{"an update is on the database when it returns", 1, updateIsStored},
		{"an update succeeds while other sessions change all the time", 1, updateUnderOthersNews},
		{"a flush is on the database when it returns", 1, flushIsStored},
		{"the other node sees an update", 2, func(f *fixture) { updateIsSeen(f, false) }},
		{"the other node sees an update within the lease of a silent feed", 2, func(f *fixture) { updateIsSeen(f, true) }},
	}
}

// numberIn is the value of a key in stored data, 0 if there is none.
func numberIn(t *testing.T, data []byte, key string) int {
	t.Helper()
	var all map[string]int
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatalf("stored data: %v", err)
	}
	return all[key]
}

// updatesInTurn: N1, one request after the other, round robin.
func updatesInTurn(f *fixture) {
	id, token := f.login(f.nodes[0], "ann")
	for _, n := range f.nodes {
		f.trusts(n, token)
	}
	for i := range 100 {
		f.ok("Update", set(f.Context(), f.nodes[i%2], id, key(i), i+1))
	}
	for i := range 100 {
		if got := f.stored(id, key(i)); got != i+1 {
			f.Fatalf("update %d was acknowledged, and the database has %d", i+1, got)
		}
	}
}

// updatesAtOnce: N1, at the same time. One that is refused was not acknowledged.
func updatesAtOnce(f *fixture) {
	id, _ := f.login(f.nodes[0], "ann")
	acked := make([][]int, len(f.nodes))
	var all sync.WaitGroup
	for at, n := range f.nodes {
		all.Go(func() {
			for i := range 50 {
				k := at*50 + i
				switch err := set(f.Context(), n, id, key(k), k+1); {
				case err == nil:
					acked[at] = append(acked[at], k)
				case !errors.Is(err, sessile.ErrConflict):
					f.Errorf("Update: %v", err)
				}
			}
		})
	}
	all.Wait()
	for at, l := range acked {
		if len(l) == 0 {
			f.Errorf("node %d: no update was acknowledged", at)
		}
		for _, k := range l {
			if f.stored(id, key(k)) != k+1 {
				f.Errorf("node %d: update %d was acknowledged, and is not on the database", at, k)
			}
		}
	}
	f.Logf("acknowledged: %d and %d of 50", len(acked[0]), len(acked[1]))
}

// contendingUpdates: N2. Of three nodes each loses to the two others at most, and once to a change before them that it has not
// heard of.
func contendingUpdates(f *fixture) {
	id, _ := f.login(f.nodes[0], "ann")
	for round := range 30 {
		var all sync.WaitGroup
		for at, n := range f.nodes {
			all.Go(func() {
				c := new(sessile.Changes).Set(key(at), round+1)
				if _, err := n.UpdateDurable(f.Context(), id, c); err != nil {
					f.Errorf("round %d, node %d: %v", round, at, err)
				}
			})
		}
		all.Wait()
		for at := range f.nodes {
			if got := f.stored(id, key(at)); got != round+1 {
				f.Fatalf("round %d, node %d: the database has %d", round, at, got)
			}
		}
	}
}

func updateIsStored(f *fixture) {
	id, _ := f.login(f.nodes[0], "ann")
	for i := range 10 {
		f.ok("Update", set(f.Context(), f.nodes[0], id, "k", i+1))
		if got := f.stored(id, "k"); got != i+1 {
			f.Fatalf("update %d has returned, and the database has %d", i+1, got)
		}
	}
}

func flushIsStored(f *fixture) {
	n := f.nodes[0]
	id, _ := f.login(n, "ann")
	f.ok("Flush", n.Flush(f.Context(), id, map[string]int{"k": 7}, n.Now(), n.Now().Add(time.Hour)))
	if got := f.stored(id, "k"); got != 7 {
		f.Fatalf("a flush has returned, and the database has %d", got)
	}
}

// updateIsSeen: N3. What another node reads later than the lease after an update shows it.
func updateIsSeen(f *fixture, silent bool) {
	a, b := f.nodes[0], f.nodes[1]
	id, token := f.login(a, "ann")
	f.trusts(b, token)
	if silent {
		f.fault(b.silence)
	}
	for i := range 3 {
		f.ok("Update", set(f.Context(), a, id, "k", i+1))
		f.until(f.lease+slack, "the other node sees the update", func() bool {
			s, err := b.ReadByToken(f.Context(), token)
			f.ok("ReadByToken", err)
			got, _, err := sessile.Get[int](s, "k")
			f.ok("Get", err)
			return got == i+1
		})
	}
}

// updateUnderOthersNews: during each read of the session more than 1,000 others change.
func updateUnderOthersNews(f *fixture) {
	n := f.nodes[0]
	id, token := f.login(n, "ann")
	f.trusts(n, token)
	n.link.push(func(s persist.Sink) { s.Reset("cold") })
	f.until(f.lease, "the session is not in memory", func() bool { return n.Stats().Hot == 0 })
	defer n.link.onRead(func() {
		n.link.overtake(func(s persist.Sink) { s.Invalidate(manyChanges(1000)) })
		f.wait(5 * time.Millisecond)
	})()
	ctx, cancel := context.WithTimeout(f.Context(), 2*f.lease)
	defer cancel()
	f.ok("Update", set(ctx, n, id, "k", 1))
	f.trusts(n, token)
}
