package actor

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestWhoLeavesWhatIsUnderWayIsToldThatItMayBeDone (D17).
func TestWhoLeavesWhatIsUnderWayIsToldThatItMayBeDone(t *testing.T) {
	g := newHarness(t, nil)
	rec := g.create("u")
	for _, r := range []command{g.rotate(rec.ID, 1), g.createReq("v")} {
		g.do(r)
		left, ok := g.answer(g.do(abandon{call: r.base()}), r).err.(*leftError)  //nolint:errorlint // it is the answer itself
		equal(t, "it may be done", ok && left.state == persist.ErrUnknown, true) //nolint:errorlint // the state itself
		g.settle()
	}
}

// TestACallerWhoLeavesIsToldWhatBecameOfItsCommand (D17): nothing, if it was not under way.
func TestACallerWhoLeavesIsToldWhatBecameOfItsCommand(t *testing.T) {
	inBubble(t, nil, func(l *live) {
		rec := l.born("u")
		hold := make(chan struct{})
		l.before(persisttest.Apply, func(*persisttest.Call) { <-hold })
		ctx, cancel := context.WithCancel(l.Context())
		inFlight, queued := make(chan error, 1), make(chan error, 1)
		go func() { _, err := l.Create(ctx, l.record("v"), persist.Limit{}, persist.ID{}); inFlight <- err }()
		synctest.Wait()
		go func() { _, err := l.Rotate(ctx, rec.ID, TokenChange{To: persist.Hash{7}}); queued <- err }()
		synctest.Wait()
		cancel()
		err := <-inFlight
		l.is(err, persist.ErrUnknown)
		l.is(err, context.Canceled)
		err = <-queued
		l.is(err, context.Canceled)
		equal(t, "the rotation may be done", errors.Is(err, persist.ErrUnknown), false)
		close(hold)
		l.is(l.Sync(l.Context()), nil)
		_, err = l.Find(l.Context(), persist.TokenKey{Hash: rec.Hash})
		l.is(err, nil)
		list, _, err := l.List(l.Context(), persist.UserKey{ID: "v"})
		l.is(err, nil)
		equal(t, "sessions whose token nobody has", len(list), 0)
	})
}

// TestACallerWhoGivesUpAsItIsSentToTheDiskIsAnsweredOnce: when it comes back.
func TestACallerWhoGivesUpAsItIsSentToTheDiskIsAnsweredOnce(t *testing.T) {
	g := newHarness(t, nil)
	x := g.readID(persist.ID{9})
	l := g.answer(g.do(x), x).load
	g.waits(g.do(abandon{x.base(), false}), x)
	g.refused(g.do(&loaded{load: l, err: context.Canceled, own: true}), x, context.Canceled)
}
