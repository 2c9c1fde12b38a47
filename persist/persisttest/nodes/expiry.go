package nodes

import (
	"errors"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/persist"
)

// expiryTests are about sessions that one node believes to be over, and another has renewed.
func expiryTests() []test {
	return []test{
		{"what another node has renewed is not refused as expired", 2, renewedElsewhere},
		{"what another node has renewed is watched until its new end", 2, renewedWhileWatched},
		{"a sweep leaves alone what another node has renewed in memory", 2, renewedInMemory},
		{"a renewal that is not written outlives a feed that is cut", 2, func(f *fixture) {
			renewalIsKept(f, func(sessile.ID) error { f.nodes[0].cut()(); return nil })
		}},
		{"a renewal that is not written outlives a change by another node", 2, func(f *fixture) {
			renewalIsKept(f, func(id sessile.ID) error { _, err := f.nodes[1].RotateToken(f.Context(), id); return err })
		}},
		{"a node whose clock is ahead deletes no active session", 1, clockAhead},
	}
}

// renewedElsewhere: N7. A touch is no event, so the other node's memory shows the old end.
func renewedElsewhere(f *fixture) {
	a, b := f.nodes[0], f.nodes[1]
	for name, use := range map[string]func(sessile.ID, sessile.Token) error{
		"ReadByToken": func(_ sessile.ID, t sessile.Token) error { _, err := b.ReadByToken(f.Context(), t); return err },
		"Renew":       func(id sessile.ID, _ sessile.Token) error { _, err := b.Renew(f.Context(), id); return err },
		"Update":      func(id sessile.ID, _ sessile.Token) error { return set(f.Context(), b, id, "k", 1) },
		"RotateToken": func(id sessile.ID, _ sessile.Token) error { _, err := b.RotateToken(f.Context(), id); return err },
	} {
		id, token, end := f.short(a, "ann", 3*time.Second)
		f.trusts(b, token)
		f.ok("Touch", a.Touch(f.Context(), id, a.Now(), a.Now().Add(time.Hour)))
		f.ok("Sync", a.Sync(f.Context()))
		f.wait(time.Until(end) + slack)
		if err := use(id, token); err != nil {
			f.Errorf("%s of a session that another node has renewed: %v", name, err)
		}
		f.ok("Destroy", a.Destroy(f.Context(), id))
		if err := use(id, token); !errors.Is(err, sessile.ErrNotFound) {
			f.until(f.lease+slack, name+" refuses what is over", func() bool { return errors.Is(use(id, token), sessile.ErrNotFound) })
		}
	}
}

// renewedWhileWatched: N7, for Done.
func renewedWhileWatched(f *fixture) {
	a, b := f.nodes[0], f.nodes[1]
	id, token, end := f.short(a, "ann", 3*time.Second)
	f.trusts(b, token)
	done := b.Done(f.Context(), id)
	later := a.Now().Add(6 * time.Second)
	f.ok("Touch", a.Touch(f.Context(), id, a.Now(), later))
	f.ok("Sync", a.Sync(f.Context()))
	f.wait(time.Until(end) + slack)
	if closed(done) && time.Now().Before(later) {
		f.Fatal("the watch has ended, and the session has not")
	}
	f.until(time.Until(later)+2*time.Second, "the watch ends with the session", func() bool { return closed(done) })
}

// renewedInMemory: N8. The renewal is acknowledged, and not written yet.
func renewedInMemory(f *fixture) {
	a, b := f.nodes[0], f.nodes[1]
	id, end := f.renewedLate(a)
	f.wait(time.Until(end) + 50*time.Millisecond)
	n, err := b.CleanupExpired(f.Context())
	f.ok("CleanupExpired", err)
	f.ok("Sync", a.Sync(f.Context()))
	if n != 0 || !f.exists(id) {
		f.Fatalf("the sweep has deleted %d sessions, and one of them was renewed", n)
	}
}

// renewedLate creates a session that a node renews so late that the session's first end comes before the renewal is written.
func (f *fixture) renewedLate(n *node) (sessile.ID, time.Time) {
	f.Helper()
	for {
		id, _, end := f.short(n, "ann", 2*time.Second)
		f.wait(time.Until(end) - interval*3/4)
		err := n.Touch(f.Context(), id, n.Now(), n.Now().Add(time.Hour))
		if !errors.Is(err, sessile.ErrExpired) { // else the machine is busy: the session has ended before
			f.ok("Touch", err)
			return id, end
		}
	}
}

// renewalIsKept: its node has to read the session again before it is written.
func renewalIsKept(f *fixture, disturb func(sessile.ID) error) {
	a := f.nodes[0]
	id, token := f.login(a, "ann")
	f.trusts(a, token)
	f.wait(interval / 2)
	end := a.Now().Add(time.Hour)
	f.ok("Touch", a.Touch(f.Context(), id, a.Now(), end))
	f.ok("what makes it read the session again", disturb(id))
	f.wait(3 * interval)
	row, err := f.db.ByID(f.Context(), persist.ID(id))
	f.ok("ByID", err)
	if row.ExpiresAt != end.UnixMicro() {
		f.Fatalf("the session ends %v from now, and the renewal has been lost", time.Until(time.UnixMicro(row.ExpiresAt)))
	}
}
