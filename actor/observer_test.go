package actor

import (
	"encoding/binary"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
)

// TestObserverThatPanicsLosesOnlyItsEvent (S40).
func TestObserverThatPanicsLosesOnlyItsEvent(t *testing.T) {
	var seen []EventKind
	inBubble(t, func(c *Config) {
		c.Observe = func(e Event) {
			if seen = append(seen, e.Kind); len(seen) == 1 {
				panic("the first one")
			}
		}
	}, func(l *live) {
		for range 3 {
			l.newSession("u")
		}
		synctest.Wait()
		equal(t, "events", len(seen), 3)
		equal(t, "dropped", l.EventsDropped(), 1)
	})
}

// TestEventsBeyondTheQueueAreDroppedAndCounted (S40): nothing waits for an observer.
func TestEventsBeyondTheQueueAreDroppedAndCounted(t *testing.T) {
	seen, hold := 0, make(chan struct{})
	inBubble(t, func(c *Config) { c.Observe = func(Event) { <-hold; seen++ } }, func(l *live) {
		hold = make(chan struct{}) // of the bubble
		l.Emit(Event{})            // holds up the observer
		synctest.Wait()
		for range eventRoom + 3 {
			l.Emit(Event{})
		}
		equal(t, "dropped", l.EventsDropped(), 3)
		close(hold)
		l.is(l.Close(), nil)
		equal(t, "seen by the end of Close", seen, eventRoom+1)
	})
}

// TestEventsThatTheChannelHasNotTakenAreHandedOverAtTheEnd, each once and in order.
func TestEventsThatTheChannelHasNotTakenAreHandedOverAtTheEnd(t *testing.T) {
	l := make([]Event, 2*eventRoom+1)
	seen := 0
	o := newObserver(func(e Event) {
		if seen == len(l) {
			t.Fatal("an event is handed over twice")
		}
		equal(t, "event", e.ID, nthID(seen))
		seen++
	}, nil)
	for i := range l {
		l[i].ID = nthID(i)
	}
	o.add(l)
	o.rest()
	equal(t, "handed over", seen, len(l))
	equal(t, "bytes that wait", o.bytes, 0)
}

// TestEventsOfABurstAllReachAFastObserver: the ends of 100,000 sessions are told, and none is dropped.
func TestEventsOfABurstAllReachAFastObserver(t *testing.T) {
	const sessions = 100_000
	var ended atomic.Int64
	inBubble(t, func(c *Config) {
		c.Observe = func(e Event) {
			if e.Kind == EventDestroyed {
				ended.Add(1)
			}
		}
	}, func(l *live) {
		var b persist.Batch
		for i := range sessions {
			rec := l.record("u")
			rec.ID = nthID(i)
			binary.BigEndian.PutUint32(rec.Hash[4:], uint32(i))
			b.Ops = append(b.Ops, persist.Op{Kind: persist.OpCreate, Record: rec})
		}
		_, err := l.disk.Apply(l.Context(), &b)
		l.is(err, nil)
		l.disk.Set(persisttest.Hooks{Before: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
			for i := range c.Batch.Ops {
				c.Batch.Ops[i].Max = 0 // all of them at once: a burst
			}
		})})
		n, err := l.DestroyUser(l.Context(), persist.UserKey{ID: "u"}, persist.ID{}, "")
		l.is(err, nil)
		equal(t, "sessions ended", n, sessions)
		l.is(l.Close(), nil)
		equal(t, "told", ended.Load(), sessions)
		equal(t, "dropped", l.EventsDropped(), 0)
	})
}

// TestEventsBeyondTheirBytesAreDroppedByKind: an observer that hangs costs no more memory.
func TestEventsBeyondTheirBytesAreDroppedByKind(t *testing.T) {
	quiet := make(chan struct{})
	o := newObserver(nil, quiet)
	l := make([]Event, 1000)
	for i := range l {
		l[i] = Event{Kind: EventKind(i%2) + EventDestroyed}
	}
	room := eventRoom + eventBytes/eventSize
	for range room/len(l) + 10 {
		o.add(l)
	}
	if o.bytes > eventBytes {
		t.Errorf("%d bytes wait", o.bytes)
	}
	sent := (room/len(l) + 10) * len(l)
	if dropped := o.dropped[EventDestroyed].Load() + o.dropped[EventExpired].Load(); int(dropped) != sent-room || o.dropped[EventExpired].Load() == 0 {
		t.Errorf("%d dropped of %d, room is for %d", dropped, sent, room)
	}
}

// TestObserverThatEndsItsGoroutineLosesOnlyItsEvent.
func TestObserverThatEndsItsGoroutineLosesOnlyItsEvent(t *testing.T) {
	var seen int
	inBubble(t, func(c *Config) {
		c.Observe = func(Event) {
			if seen++; seen%2 == 1 {
				runtime.Goexit()
			}
		}
	}, func(l *live) {
		for range 4 {
			l.newSession("u")
		}
		synctest.Wait()
		equal(t, "events", seen, 4)
		equal(t, "dropped", l.EventsDroppedOf(EventCreated), 2)
		l.is(l.Close(), nil)
	})
}
