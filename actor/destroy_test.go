package actor

import (
	"context"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sessile/sessile/persist/persisttest"

	"github.com/sessile/sessile/persist"
)

// TestDestroyWithAnOwnerSparesSessionsOfOthers (S34, A15), in memory or not.
func TestDestroyWithAnOwnerSparesSessionsOfOthers(t *testing.T) {
	for _, cold := range []bool{false, true} {
		g := newHarness(t, nil)
		id := g.create("u").ID
		g.cold(cold)
		r := g.destroyOwned(id, "v")
		g.refused(g.by(r), r, persist.ErrNotFound)
		g.empty()
		g.cold(cold)
		r = g.destroyOwned(id, "u")
		g.by(r)
		g.carries(1, 0, 0)
		g.ok(g.settle(), r)
		r = g.destroyOwned(id, "u")
		g.refused(g.by(r), r, persist.ErrNotFound)
		r = g.destroy(id) // without an owner, the unknown is no error
		g.by(r)
		g.ok(g.settle(), r)
	}
}

// TestDestroyTwiceIsAnsweredTogether, and tells a stranger nothing (S34).
func TestDestroyTwiceIsAnsweredTogether(t *testing.T) {
	g := newHarness(t, nil)
	l := g.creates(2)
	g.do(g.destroy(l[0].ID))
	g.do(g.destroy(l[1].ID)) // waits behind the first
	r, own, foreign := g.destroy(l[1].ID), g.destroyOwned(l[1].ID, "userb"), g.destroyOwned(l[1].ID, "usera")
	g.waits(g.do(r), r)
	g.waits(g.do(own), own)
	g.refused(g.do(foreign), foreign, persist.ErrNotFound)
	g.waits(g.settle(), r)
	g.carries(1, 0, 0)
	late := g.destroy(l[1].ID)
	g.waits(g.do(late), late) // it is under way
	out := g.settle()
	for _, x := range []command{r, own, late} {
		g.ok(out, x)
	}
}

// TestDestroyIsRememberedWhileALoadIsInProgress: it is answered at once then, and an owner's is not found.
func TestDestroyIsRememberedWhileALoadIsInProgress(t *testing.T) {
	g := newHarness(t, nil)
	g.do(g.read(persist.Hash{99})) // a slow one
	id := g.create("u").ID
	g.do(g.destroy(id))
	g.settle()
	r, own := g.destroy(id), g.destroyOwned(id, "u")
	g.ok(g.do(r), r)
	g.refused(g.do(own), own, persist.ErrNotFound)
	g.empty()
}

// TestDestroyOfUnknownOutcomeIsReportedOnceWhenItsRetryFindsNothing: the first commit was done,
// so only memory knows what it has ended. Of a session that it did not have nothing is told.
func TestDestroyOfUnknownOutcomeIsReportedOnceWhenItsRetryFindsNothing(t *testing.T) {
	for _, done := range []bool{false, true} {
		for _, known := range []bool{false, true} {
			g := newHarness(t, nil)
			id := persist.ID{9}
			want := 0
			if known {
				id, want = g.create("u").ID, 1
			}
			g.do(g.destroy(id))
			equal(t, "told while it is unknown", happened(g.unknown(done), EventDestroyed), 0)
			g.pass(retryMost.Microseconds())
			out := g.settle()
			equal(t, "told", happened(out, EventDestroyed), want)
			for _, e := range out.events {
				if e.Kind == EventDestroyed {
					equal(t, "session", e.ID, id)
					equal(t, "user", e.UserID, "u")
				}
			}
			equal(t, "counted", g.stats().Destroyed, uint64(want))
		}
	}
}

// TestDestroyOfUnknownOutcomeIsNotReportedAfterAnEviction that has told the end of its session.
func TestDestroyOfUnknownOutcomeIsNotReportedAfterAnEviction(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.do(g.destroy(id))
	g.unknown(false)
	g.pass(retryMost.Microseconds())
	g.refuses(persist.ErrUnavailable) // its retry is delayed, and a login overtakes it
	login := g.createReq("u")
	login.limit.Max = 1
	g.do(login)
	equal(t, "evicted", happened(g.settle(), EventEvicted), 1)
	g.pass(retryMost.Microseconds())
	equal(t, "told again", happened(g.settle(), EventDestroyed), 0)
	equal(t, "counted", g.stats().Destroyed, 0)
}

// TestDestroyAtTheBoundIsAccepted (D13).
func TestDestroyAtTheBoundIsAccepted(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.MaxPending = 1 })
	l := g.creates(2)
	equal(t, "full", g.full(g.do(g.touch(l[0].ID))), true)
	r := g.destroy(l[1].ID)
	g.do(r)
	g.carries(1, 0, 0)
	g.ok(g.settle(), r)
}

// TestDestroyOfAnUnknownSessionWaitsForRoomAmongTheTombstones (D13).
func TestDestroyOfAnUnknownSessionWaitsForRoomAmongTheTombstones(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.MaxTombstones = 2 })
	known := g.create("u").ID
	var asked []command
	for i := range byte(4) {
		r := g.destroy(persist.ID{9, i})
		g.do(r)
		asked = append(asked, r)
	}
	equal(t, "tombstones", g.stats().Tombstones, 2)
	r := g.destroy(known) // is never held up
	g.do(r)
	equal(t, "tombstones", g.stats().Tombstones, 4) // an id, and an id with its token
	g.ok(g.settle(), asked[0])                      // the first batch had it alone
	g.carries(2, 0, 0)
	g.settle()
	g.carries(2, 0, 0)
	out := g.settle()
	g.ok(out, asked[2])
	g.ok(out, asked[3])
	equal(t, "tombstones", g.stats().Tombstones, 0)
}

// TestDestroyThatGivesUpWaitingIsNotRefused: it waits for room among the tombstones, and is
// told that nothing was done.
func TestDestroyThatGivesUpWaitingIsNotRefused(t *testing.T) {
	inBubble(t, func(c *Config) { c.Entries, c.MaxTombstones = 1, 1 }, func(l *live) {
		rec := l.newSession("u")
		l.newSession("v") // evicts u's
		l.fail(persisttest.Apply, persist.ErrUnavailable)
		l.is(l.Destroy(l.Context(), persist.ID{9}), ErrNotDurable) // one tombstone: the bound
		ctx, cancel := context.WithTimeout(l.Context(), 50*time.Millisecond)
		defer cancel()
		err := l.Destroy(ctx, rec.ID)
		l.is(err, context.DeadlineExceeded)
		equal(t, "refused from now on", errors.Is(err, ErrNotDurable), false)
		_, err = l.Find(l.Context(), persist.TokenKey{Hash: rec.Hash})
		l.is(err, nil)
		synctest.Wait()
		l.heal()
		l.is(l.Sync(l.Context()), nil)
	})
}

// TestDestroyThatGivesUpWaitingIsNotDone, and the one behind it is.
func TestDestroyThatGivesUpWaitingIsNotDone(t *testing.T) {
	g := newHarness(t, func(c *Config) { c.MaxTombstones = 1 })
	first, second, third := g.destroy(persist.ID{9, 1}), g.destroy(persist.ID{9, 2}), g.destroy(persist.ID{9, 3})
	for _, r := range []command{first, second, third} {
		g.do(r)
	}
	left, ok := g.answer(g.do(abandon{call: second.base()}), second).err.(*leftError) //nolint:errorlint // it is the answer itself
	equal(t, "nothing was done", ok && left.state == nil, true)
	g.settle()
	b := g.carries(1, 0, 0)
	equal(t, "the next", b.Ops[0].Ref.ID, third.id)
	g.ok(g.settle(), third)
	equal(t, "idle", g.c.idle(), true)
}

// TestDestroyWithAnEndedContextIsAccepted (D13, D16): what it names is refused from then on.
func TestDestroyWithAnEndedContextIsAccepted(t *testing.T) {
	inBubble(t, func(c *Config) { c.MaxPending = 1 }, func(l *live) {
		ctx, cancel := context.WithCancel(l.Context())
		cancel()
		for i := range 40 {
			rec := l.newSession("u")
			var err error
			if i%2 == 0 {
				err = l.Destroy(ctx, rec.ID)
			} else {
				_, err = l.DestroyUser(ctx, persist.UserKey{ID: "u"}, persist.ID{}, "")
			}
			if err != nil {
				l.is(err, ErrNotDurable)
				l.is(err, context.Canceled)
			}
			_, err = l.Find(l.Context(), persist.TokenKey{Hash: rec.Hash})
			l.is(err, persist.ErrNotFound)
		}
	})
}

// A log-out is refused at no bound, and neither is the look at the disk that it needs (D13).
func TestDestroyIsNotRefusedByAnyBound(t *testing.T) {
	g := newHarness(t, func(c *Config) { narrow(c); c.MaxWaiting = 0 })
	all := g.fill(12)
	for i := range 2 {
		r := g.readID(persist.ID{7, byte(i)})
		if a := g.ask(r); a == nil || a.load == nil {
			t.Fatalf("a cold read: %v", a)
		}
	}
	cold := g.readID(persist.ID{7, 9})
	if a := g.ask(cold); !refused(a) {
		t.Fatalf("a cold read too many: %v", a)
	}
	hot := g.destroy(all[11].ID)
	if a := g.ask(hot); a != nil || !hot.refused {
		t.Errorf("a destroy: %v", a)
	}
	owned := g.destroyOwned(persist.ID{7, 8}, "u")
	if a := g.ask(owned); a == nil || a.load == nil {
		t.Errorf("a destroy of a session that is not in memory: %v", a)
	}
	others := g.wipeBut("u", persist.ID{7, 7})
	if a := g.ask(others); a == nil || a.load == nil {
		t.Errorf("a destroy of all but such a session: %v", a)
	}
}

// TestDestroyDropsThePendingChangesOfItsSession: nothing of it is written (D4).
func TestDestroyDropsThePendingChangesOfItsSession(t *testing.T) {
	g := newHarness(t, nil)
	id := g.create("u").ID
	g.startCommit()
	w := g.durable(id, "1")
	g.do(w)
	g.refused(g.do(g.destroy(id)), w, persist.ErrNotFound)
	g.settle()
	g.carries(1, 0, 0)
}

// TestDestroyThatTheDiskRefusesIsRetriedAtItsTime (D11), and not before.
func TestDestroyThatTheDiskRefusesIsRetriedAtItsTime(t *testing.T) {
	g := newHarness(t, nil)
	g.c.rng = rand.New(dice{})
	r := g.destroy(persist.ID{9})
	g.do(r)
	out := g.refuses(persist.ErrCorrupt)
	g.refused(out, r, ErrNotDurable)
	equal(t, "wake", out.wake, 10*time.Millisecond)
	equal(t, "wake", g.pass(9_999).wake, micro(1))
	g.empty()
	g.pass(1)
	g.carries(1, 0, 0)
	equal(t, "wake", g.refuses(persist.ErrCorrupt).wake, 20*time.Millisecond)
}
