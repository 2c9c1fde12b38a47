package nodes

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
)

// leaseTests are about what a node may serve from memory while it hears nothing.
func leaseTests() []test {
	return []test{
		{"Done closes in time where many sessions are watched, and reads are slow", 2, manyWatched},
		{"a destroyed session is refused elsewhere", 2, func(f *fixture) { destroyIsSeen(f, nil) }},
		{"a destroyed session is refused after the lease of a silent feed", 2, func(f *fixture) { destroyIsSeen(f, f.nodes[1].silence) }},
		{"a destroyed session is refused after the lease of a feed that is cut", 2, func(f *fixture) { destroyIsSeen(f, f.nodes[1].cut) }},
		{"what is read while it is destroyed is not kept", 2, destroyedWhileRead},
		{"a wall clock that is set back does not extend the lease", 1, wallClockBack},
		{"a watched session gives up its old token", 2, rotatedWhileWatched},
		{"a watched session that is over ends", 2, destroyedWhileWatched},
		{"a watched session that is changed does not end", 2, changedWhileWatched},
	}
}

// destroyIsSeen destroys on one node what the other has in memory.
func destroyIsSeen(f *fixture, fault func() (mend func())) {
	a, b := f.nodes[0], f.nodes[1]
	for _, user := range []string{"ann", "bob"} {
		id, token := f.login(a, user)
		f.trusts(b, token)
		mend := func() {}
		if fault != nil {
			mend = f.fault(fault)
		}
		f.ok("Destroy", a.Destroy(f.Context(), id))
		f.refuses(b, token, "the other node refuses what was destroyed")
		for range 20 {
			f.opens(b, token, false, "after it was refused once")
			f.wait(f.lease / 10)
		}
		mend()
		f.wait(f.lease)
		f.opens(b, token, false, "after the feed was mended")
	}
}

// closed reports whether a watch has ended.
func closed(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// destroyedWhileRead: the news come between the read of the row and its arrival.
func destroyedWhileRead(f *fixture) {
	a, b := f.nodes[0], f.nodes[1]
	_, warm := f.login(a, "ann")
	f.trusts(b, warm)
	id, token := f.login(a, "bob")
	mend := b.link.onRead(sync.OnceFunc(func() {
		f.ok("Destroy", a.Destroy(f.Context(), id))
		f.wait(f.lease / 2)
	}))
	defer mend()
	_, _ = b.ReadByToken(f.Context(), token) // it began before the destroy: either answer is right
	for range 20 {
		f.opens(b, token, false, "read again after the destroy")
		f.wait(f.lease / 10)
	}
}

// rotatedWhileWatched: N5.
func rotatedWhileWatched(f *fixture) {
	a, b := f.nodes[0], f.nodes[1]
	id, old := f.login(a, "ann")
	f.trusts(b, old)
	done := b.Done(f.Context(), id)
	f.fault(b.silence)
	token, err := a.RotateToken(f.Context(), id)
	f.ok("RotateToken", err)
	f.refuses(b, old, "the other node refuses the old token")
	for range 20 {
		f.opens(b, old, false, "the old token")
		f.opens(b, token, true, "the new token")
		f.wait(f.lease / 10)
	}
	if closed(done) {
		f.Fatal("the watch has ended, and the session has not")
	}
}

// destroyedWhileWatched: N6.
func destroyedWhileWatched(f *fixture) {
	a, b := f.nodes[0], f.nodes[1]
	id, token := f.login(a, "ann")
	f.trusts(b, token)
	done := b.Done(f.Context(), id)
	f.fault(b.silence)
	f.ok("Destroy", a.Destroy(f.Context(), id))
	f.until(f.lease+slack, "Read refuses", func() bool {
		_, err := b.Read(f.Context(), id)
		return errors.Is(err, sessile.ErrNotFound)
	})
	f.until(2*f.lease, "Done closes", func() bool { return closed(done) })
}

// changedWhileWatched: an event about a watched session is not its end.
func changedWhileWatched(f *fixture) {
	a, b := f.nodes[0], f.nodes[1]
	id, token := f.login(a, "ann")
	f.trusts(b, token)
	done := b.Done(f.Context(), id)
	f.ok("Update", set(f.Context(), a, id, "k", 1))
	_, err := a.RotateToken(f.Context(), id)
	f.ok("RotateToken", err)
	f.wait(3 * f.lease)
	if closed(done) {
		f.Fatal("the watch has ended, and the session has not")
	}
	f.ok("Destroy", a.Destroy(f.Context(), id))
	f.until(f.lease, "Done closes", func() bool { return closed(done) })
}

// manyWatched: the feed is silent, so every watched session is read once a lease, and each read takes a while. A node that reads one
// after the other takes 16 times as long as this allows.
func manyWatched(f *fixture) {
	a, b := f.nodes[0], f.nodes[1]
	var ids []sessile.ID
	var ends []<-chan struct{}
	for range 500 {
		id, _ := f.login(a, "ann")
		ids, ends = append(ids, id), append(ends, b.Done(f.Context(), id))
	}
	f.wait(2 * f.lease)
	defer b.link.onRead(func() { f.wait(5 * time.Millisecond) })()
	most := max(2*f.lease, f.lease+4*f.readsAll(b, ids)) // the machine may be busy
	f.fault(b.silence)
	for i := 0; i < len(ids); i += 25 {
		f.ok("Destroy", a.Destroy(f.Context(), ids[i]))
	}
	late := time.After(most)
	for i := 0; i < len(ids); i += 25 {
		select {
		case <-ends[i]:
		case <-late:
			f.Fatalf("Done has not closed %v after the end of its session", most)
		}
	}
}

// readsAll returns how long the backend of a node takes to read sessions, 16 at a time.
func (f *fixture) readsAll(n *node, ids []sessile.ID) time.Duration {
	began := time.Now()
	var all sync.WaitGroup
	for part := range slices.Chunk(ids, (len(ids)+15)/16) {
		all.Go(func() {
			for _, id := range part {
				if _, err := n.link.ByID(f.Context(), persist.ID(id)); err != nil {
					f.Errorf("ByID: %v", err)
				}
			}
		})
	}
	all.Wait()
	return time.Since(began)
}
