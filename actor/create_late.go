package actor

import (
	"github.com/sessile/sessile/internal/agenda"
	"github.com/sessile/sessile/persist"
)

// A create of unknown outcome may be committed later, where others write too:
//
//  1. Its commit hangs. The connection is given up, and the caller gets persist.ErrUnknown.
//  2. The session is destroyed by way of another connection, which finds nothing.
//  3. The database ends the first commit. Nobody has the token of that session.
//
// No event tells of a session that is created. So its destroy is repeated, with pauses that double,
// until the session is found or would have ended; at once when a feed begins anew, or when a row of
// it is read.

// mostLate is how many such creates are remembered.
const mostLate = 4096

// lateCreates are those that may still be committed.
type lateCreates struct {
	byID map[persist.ID]*lateCreate
	due  agenda.Agenda[*lateCreate] // by the tick of their next destroy
}

type lateCreate struct {
	agenda.Moment
	id    persist.ID
	end   int64 // of its session
	pause int64 // before the next destroy, microseconds
}

// add remembers a create. Where there are too many, one is forgotten that has waited for long: the
// last in a heap is not due soon.
func (l *lateCreates) add(r *persist.Record, tick int64) {
	if n := len(l.due); n == mostLate {
		l.forget(l.due[n-1].id)
	}
	x := &lateCreate{id: r.ID, end: min(r.ExpiresAt, r.Deadline), pause: retryMost.Microseconds()}
	l.byID[r.ID] = x
	l.due.Set(x, tick+x.pause)
}

func (l *lateCreates) forget(id persist.ID) {
	if x := l.byID[id]; x != nil {
		delete(l.byID, id)
		l.due.Remove(x)
	}
}

// hurry has all of them destroyed again.
func (l *lateCreates) hurry(tick int64) {
	for _, x := range l.byID {
		l.due.Set(x, tick)
	}
}

// seen has a session destroyed of which a row was read, and reports whether it is one of these.
func (l *lateCreates) seen(id persist.ID, tick int64) bool {
	x := l.byID[id]
	if x != nil {
		l.due.Set(x, tick)
	}
	return x != nil
}

// destroyLate destroys again those that are due, a slice of them. One destroy of a session is under
// way at a time.
func (c *core) destroyLate() {
	for n := 0; n < sliceSize && c.late.due.Due(c.tick); n++ {
		x := c.late.due[0]
		t := c.tombstones.sessions[x.id]
		switch {
		case c.now >= x.end:
			c.late.forget(x.id)
		case t != nil && t.commit == 0:
			c.late.due.Set(x, c.tick+retryMost.Microseconds())
		default:
			x.pause *= 2
			c.late.due.Set(x, c.tick+x.pause)
			c.destroyNow(nil, x.id, ReasonTokenLost)
		}
	}
}
