package actor

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/sessile/sessile/persist"
)

// settleOp takes the outcome of a security operation that was committed.
func (s *state) settleOp(f *flight, p *pendingOp, o persist.Outcome) {
	switch p.op.Kind {
	case persist.Create:
		s.created(f, p, o)
	case persist.Rotate:
		s.rotated(f, p, o)
	case persist.Destroy, persist.DestroyUser:
		s.destroyed(p, o)
	case persist.Expire:
		s.expired(p, o)
	case persist.Seen:
		s.wasSeen(p, o)
	}
}

// wasSeen ends a note that a token has come back.
func (s *state) wasSeen(p *pendingOp, o persist.Outcome) {
	if o.Status == persist.Failed {
		s.postpone(p, o.Err)
		return
	}
	s.overwritten(p.op.Ref.ID)
	s.unspin(p)
}

func (s *state) created(f *flight, p *pendingOp, o persist.Outcome) {
	rec := p.op.Record
	s.bytes -= p.size()
	for _, x := range o.Removed {
		if x.ID == p.op.Replaces {
			s.replaced(x)
			continue
		}
		s.over(x, Event{Kind: Evicted})
		s.stats.Evicted++
	}
	switch o.Status {
	case persist.Applied:
		s.replacedBefore(&p.op)
	case persist.Full:
		s.event(Event{Kind: LimitReached, UserID: rec.UserID})
		s.failAll(p, ErrLimitReached)
		return
	case persist.Conflict:
		s.failAll(p, ErrConflict)
		return
	default:
		s.failAll(p, fmt.Errorf("%w: %w", persist.ErrUnavailable, o.Err))
		return
	}
	r := p.reqs[0]
	switch {
	case r.left: // nobody has its token
		s.destroyNow(nil, rec.ID)
		return
	case s.graves.stuckUser(rec.UserID):
		s.destroyNow(nil, rec.ID)
		s.fail(r, persist.ErrUnknown) // what it has replaced or evicted is over
		return
	}
	rec.Key = o.Key
	v := viewOf(*rec)
	if s.keeps(f, rec, p.seq) {
		s.hot.Add(rec.ID, rec.UserID, rec.Hash, v, v.cost())
	}
	s.stats.Created++
	s.event(Event{Kind: Created, ID: rec.ID, UserID: rec.UserID})
	s.reply(r, response{view: v})
}

// replaced forgets a session that a create has replaced.
func (s *state) replaced(x persist.Removed) {
	s.over(x, Event{Kind: Destroyed, Reason: "replaced by a login"})
	s.stats.Destroyed++
}

// replacedBefore forgets the session that a create replaces and did not find: 1. A login
// replaces it, with an unknown outcome; it is gone from the disk. 2. Memory goes on with
// it: a change of it waits for the disk. 3. The next login in its place is acknowledged.
func (s *state) replacedBefore(op *persist.Op) {
	if op.Replaces.IsZero() {
		return
	}
	s.overwritten(op.Replaces)
	if e := s.hot.ByID(op.Replaces); e != nil && e.User() != "" && e.User() == op.Record.UserID {
		s.replaced(persist.Removed{ID: e.ID(), Hash: e.Key(), UserID: e.User()})
	}
}

// keeps reports whether a new session may be put into memory. It was there for
// others to see from its commit on: they may have read it, ended it, or, where
// others write too, changed it.
func (s *state) keeps(f *flight, rec *persist.Record, seq uint64) bool {
	return !f.tainted && !s.graves.hasID(rec.ID) && s.hot.ByID(rec.ID) == nil &&
		!s.graves.endsUser(rec.UserID, rec.ID, seq)
}

// rotated publishes the new token, and only then answers with it.
func (s *state) rotated(f *flight, p *pendingOp, o persist.Outcome) {
	e, id := p.entry, p.op.Ref.ID
	if p.tries > 0 && (o.Status == persist.Failed || o.Status == persist.Conflict && s.precedes(p)) {
		s.postpone(p, o.Err) // it may have been done before, or must wait for the one before it
		return
	}
	defer s.unspin(p)
	s.graves.bury(p.grave)
	s.graves.bury(p.also)
	if o.Status == persist.Applied {
		s.overtake(p)
	}
	live := e != nil && s.hot.ByID(id) == e
	switch {
	case e == nil: // a retry of what nobody waits for
	case o.Status == persist.Applied && live:
		s.respin(f, p, e)
	case o.Status == persist.Applied || o.Status == persist.Gone:
		if live {
			s.drop(e, persist.ErrNotFound)
		}
		// A load that began before must not bring the old token back.
		s.graves.bury(s.graves.open(&grave{hash: p.op.From, row: id}))
		s.failAll(p, persist.ErrNotFound)
	case o.Status == persist.Conflict:
		if live && (!s.exclusive || p.grave != nil) {
			s.drop(e, ErrConflict) // another node has rotated it, or memory has said too much
		}
		s.failAll(p, ErrConflict)
	default:
		s.failAll(p, fmt.Errorf("%w: %w", persist.ErrUnavailable, o.Err))
	}
}

// overtake ends the retry of a rotation on which p builds: it was done, or p could
// not have been.
func (s *state) overtake(p *pendingOp) {
	s.later = slices.DeleteFunc(s.later, func(q *pendingOp) bool {
		if q.op.Kind != persist.Rotate || q.op.Ref.ID != p.op.Ref.ID || q.op.To != p.op.From {
			return false
		}
		s.graves.bury(q.grave)
		s.graves.bury(q.also)
		s.unspin(q)
		return true
	})
}

// respin gives e its new token. The old one lives on only in a grace.
func (s *state) respin(f *flight, p *pendingOp, e *entry) {
	s.overwritten(e.ID())
	if p.op.Lost != (persist.Hash{}) {
		s.graves.bury(s.graves.open(&grave{hash: p.op.Lost}))
	}
	v := s.retoken(e, &p.op, f.batch.Now)
	s.stats.Rotated++
	s.event(Event{Kind: Rotated, ID: v.ID, UserID: v.UserID})
	for _, r := range p.reqs {
		s.reply(r, response{view: v})
	}
}

// retoken publishes what a rotation makes of e.
func (s *state) retoken(e *entry, op *persist.Op, at int64) *View {
	n := *e.Value()
	rot := persist.Rotation{Previous: op.From, Until: op.Until, At: at}
	n.AuthAt = cmp.Or(op.AuthAt, n.AuthAt)
	n.Rotation = &rot
	s.rekey(e, &n, op.To)
	if rot.Until > s.now {
		s.hot.Alias(e, rot.Previous)
	} else {
		s.graves.bury(s.graves.open(&grave{hash: rot.Previous, rotate: &RotatedError{ID: n.ID, At: rot.At}}))
	}
	return &n
}

// rekey publishes v as e's, under another token. The second key goes first: the token
// before the last would find a view that does not name it.
func (s *state) rekey(e *entry, v *View, to persist.Hash) {
	s.hot.Unalias(e)
	s.hot.Set(e, v, v.cost())
	s.hot.Rekey(e, to)
}

func (s *state) destroyed(p *pendingOp, o persist.Outcome) {
	if o.Status != persist.Applied && o.Status != persist.Gone {
		s.destroyStuck(p, o.Err)
		return
	}
	s.graves.bury(p.grave)
	for _, x := range o.Removed {
		s.over(x, Event{Kind: Destroyed})
		s.stats.Destroyed++
	}
	for _, r := range p.reqs {
		s.reply(r, response{n: len(o.Removed)})
	}
}

// destroyStuck keeps a deletion that the disk refuses by itself: the session
// stays refused, and it is tried for ever.
func (s *state) destroyStuck(p *pendingOp, err error) {
	s.failAll(p, fmt.Errorf("%w: %w", ErrNotDurable, err))
	p.grave.stuck = true
	s.postpone(p, err)
}

func (s *state) postpone(p *pendingOp, err error) {
	p.tries++
	p.at = s.tick + s.delay(p.tries)
	s.later = append(s.later, p)
	s.stats.LastError, s.stats.LastErrorAt = err, s.now
}

// precedes reports whether a rotation that p may build on is yet to be done.
func (s *state) precedes(p *pendingOp) bool {
	return slices.ContainsFunc(slices.Concat(s.later, s.ops), func(q *pendingOp) bool {
		return q.op.Kind == persist.Rotate && q.op.Ref.ID == p.op.Ref.ID && q.order < p.order
	})
}

// promoteLater gives operations that failed by themselves their next try, each in
// its place: after what it may build on.
func (s *state) promoteLater() {
	if len(s.later) == 0 {
		return
	}
	var due []*pendingOp
	s.later = slices.DeleteFunc(s.later, func(p *pendingOp) bool {
		if p.at > s.tick {
			return false
		}
		p.since = s.tick
		due = append(due, p)
		return true
	})
	s.again(due)
}

// again puts operations back among those that wait, in the order of their acceptance.
func (s *state) again(ops []*pendingOp) {
	if len(ops) > 0 {
		s.ops = append(ops, s.ops...)
		slices.SortStableFunc(s.ops, func(a, b *pendingOp) int { return cmp.Compare(a.order, b.order) })
	}
}

func (s *state) expired(p *pendingOp, o persist.Outcome) {
	for _, x := range o.Removed {
		s.over(x, Event{Kind: Expired})
		s.stats.Expired++
	}
	if o.Status == persist.Conflict {
		p.reqs[0].refs = append(p.reqs[0].refs, p.op.Ref)
	}
	s.expireDone(p, len(o.Removed), o.Err)
}

// expireDone counts one of a request's expiries as ended; the last one answers.
func (s *state) expireDone(p *pendingOp, n int, err error) {
	r := p.reqs[0]
	r.count += n
	if r.err == nil {
		r.err = err
	}
	if r.open--; r.open == 0 {
		s.reply(r, response{n: r.count, err: r.err, alive: r.refs})
	}
}

// over forgets a session that is gone from the disk, and keeps loads that
// began before from bringing it back.
func (s *state) over(x persist.Removed, ev Event) {
	if e := s.hot.ByID(x.ID); e != nil {
		s.drop(e, persist.ErrNotFound)
	} else {
		s.endWatch(x.ID)
	}
	if g := s.graves.ids[x.ID]; g == nil {
		s.graves.bury(s.graves.open(&grave{id: x.ID, hash: x.Hash, owner: x.UserID}))
	}
	ev.ID, ev.UserID = x.ID, x.UserID
	s.event(ev)
}
