package actor

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/sessile/sessile/persist"
)

const (
	retryFirst = 20 * time.Millisecond
	retryMost  = time.Second // so that recovery is noticed well within 5 s
	itemTries  = 5           // then a change that cannot be stored is given up
)

// backoff spaces the attempts to commit while they fail.
type backoff struct {
	at int64 // no attempt before then
	n  int   // failures in a row
}

// delay is the pause after the n-th failure in a row: exponential, capped, jittered (D11).
func (s *state) delay(n int) int64 {
	d := retryMost
	if n < 8 {
		d = min(retryFirst<<n, retryMost)
	}
	return d.Microseconds()/2 + s.rng.Int64N(d.Microseconds()/2)
}

// settle takes the end of a commit.
func (s *state) settle(m settled) {
	f := s.flight
	s.flight = nil
	if m.err == nil && !aligned(f.batch, m.result) {
		m.err = fmt.Errorf("%w: the backend's result does not match its batch", persist.ErrUnknown)
	}
	if m.err != nil {
		s.failed(f, m.err)
		return
	}
	if s.retry.n > 0 {
		s.event(Event{Kind: Recovered})
	}
	s.retry = backoff{}
	for i, d := range f.writes {
		s.settleDirty(d, m.result.Writes[i])
	}
	for i, d := range f.touches {
		s.settleDirty(d, m.result.Touches[i])
	}
	for i, p := range f.ops {
		s.settleOp(f, p, m.result.Ops[i])
	}
	s.graves.prune(s.oldestLoad())
}

func aligned(b *persist.Batch, r persist.Result) bool {
	return len(r.Ops) == len(b.Ops) && len(r.Writes) == len(b.Writes) && len(r.Touches) == len(b.Touches)
}

// settleDirty takes the outcome of a write or touch.
func (s *state) settleDirty(d *dirty, o persist.Outcome) {
	if s.dirty[d.entry.ID()] != d || !d.fly.on {
		return // its session ended meanwhile
	}
	switch o.Status {
	case persist.Applied:
		d.tries = 0
		if d.fly.data {
			d.base = d.fly.next
		}
		s.landed(d)
	case persist.Conflict:
		s.conflicted(d, o.Version)
	case persist.Gone:
		e := d.entry
		s.over(persist.Removed{ID: e.ID(), Hash: e.Key(), UserID: e.User()}, Destroyed)
	default:
		s.itemFailed(d, o.Err)
	}
}

// landed answers those who waited for what is now on disk.
func (s *state) landed(d *dirty) {
	s.overwritten(d.entry.ID())
	for _, w := range d.fly.wait {
		s.reply(w, response{view: d.entry.Value()})
	}
	d.fly = flown{}
	if d.elem == nil {
		s.clean(d)
		return
	}
	s.account(d)
}

// overwritten keeps loads that began before from bringing an older version of a
// row back, should the session be evicted before they end.
func (s *state) overwritten(id persist.ID) {
	if len(s.loads) > 0 {
		s.graves.bury(s.graves.open(&grave{row: id}))
	}
}

// conflicted handles a write whose base was not what the disk has. Alone, that
// is a version of our own whose commit was reported as unknown: write on top of
// it. Where others write too, theirs wins.
func (s *state) conflicted(d *dirty, stored persist.Version) {
	s.stats.Conflicts++
	if !s.exclusive {
		s.drop(d.entry, ErrConflict)
		return
	}
	d.base = stored
	s.requeue(d)
}

// itemFailed handles a change that the disk refuses by itself. It waits its turn
// again; in the end it is given up, and memory forgets it so that it shows
// what is stored.
func (s *state) itemFailed(d *dirty, err error) {
	for _, w := range d.fly.wait {
		s.fail(w, err)
	}
	d.fly.wait = nil
	if d.tries++; d.tries < itemTries {
		d.fly.first, d.fly.since = s.nextSeq(), s.now
		s.requeue(d)
		return
	}
	s.stats.Quarantined++
	s.event(Event{Kind: Quarantined, ID: d.entry.ID(), UserID: d.entry.User(), Err: err})
	s.drop(d.entry, err)
}

// requeue puts what was flown back: the entry's current view is never older.
func (s *state) requeue(d *dirty) {
	d.data = d.data || d.fly.data
	d.wait = append(d.fly.wait, d.wait...)
	if len(d.wait) > 0 {
		s.durable = append(s.durable, d)
	}
	if d.elem != nil {
		s.queue.Remove(d.elem)
	}
	d.first, d.since = d.fly.first, d.fly.since
	d.fly = flown{}
	d.elem = s.queue.PushFront(d)
	for e := d.elem; e.Next() != nil && queued(e.Next()).first < d.first; {
		s.queue.MoveAfter(e, e.Next())
	}
}

// failed takes a whole batch back.
func (s *state) failed(f *flight, err error) {
	s.stats.BatchFailures++
	s.stats.LastError, s.stats.LastErrorAt = err, s.now
	if s.retry.n == 0 {
		s.stats.FailingSince = s.now
		s.event(Event{Kind: WriteFailed, Err: err})
	}
	s.retry.at = s.now + s.delay(s.retry.n)
	s.retry.n++
	back := slices.Concat(f.writes, f.touches)
	slices.SortFunc(back, func(a, b *dirty) int { return cmp.Compare(b.fly.first, a.fly.first) })
	for _, d := range back {
		if s.dirty[d.entry.ID()] != d || !d.fly.on {
			continue
		}
		for _, w := range d.fly.wait {
			s.fail(w, err)
		}
		d.fly.wait = nil
		s.requeue(d)
	}
	s.failedOps(f, err)
}

// failedOps answers who waited, and keeps what must be done all the same.
func (s *state) failedOps(f *flight, err error) {
	unknown := !errors.Is(err, persist.ErrUnavailable)
	var again []*pendingOp
	var undo []persist.ID
	for _, p := range f.ops {
		p.tries++
		switch p.op.Kind {
		case persist.Create:
			s.failAll(p, err)
			if unknown {
				undo = append(undo, p.op.Record.ID)
				s.doubt(p.op.Record.UserID)
			}
		case persist.Rotate:
			if s.failedRotate(p, err, unknown) {
				again = append(again, p)
			}
		case persist.Expire:
			s.expireDone(p, 0, err)
		case persist.Seen:
			again = append(again, p)
		default:
			s.failAll(p, fmt.Errorf("%w: %w", ErrNotDurable, err))
			again = append(again, p)
		}
	}
	s.ops = append(again, s.ops...)
	for _, id := range undo {
		s.destroyNow(nil, id, nil)
	}
}

// doubt forgets what memory has of a user whose sessions a create of unknown
// outcome may have evicted: the next read asks the disk.
func (s *state) doubt(user string) {
	for e := range s.hot.ByUser(user) {
		if !e.Pinned() {
			s.hot.Remove(e)
		}
	}
}

// failedRotate reports whether the rotation must be tried again. If it may have
// been done, the old token is dead from now on, and the new one is never handed
// out: the session is out of reach until it is destroyed or expires (I2, D9).
func (s *state) failedRotate(p *pendingOp, err error, unknown bool) bool {
	s.failAll(p, err)
	if !unknown && p.grave == nil {
		s.unspin(p)
		return false
	}
	if e := p.entry; e != nil && s.hot.ByID(e.ID()) == e {
		s.endGrace(e)
		s.hot.Rekey(e, p.op.To)
		s.hot.Unalias(e)
		s.endWatch(e.ID())
	}
	s.unspin(p)
	if p.grave == nil {
		p.grave = s.graves.open(&grave{hash: p.op.From, to: p.op.To})
	}
	return true
}

// endGrace ends the life that e's previous token has left: what comes after its
// successor may be on disk.
func (s *state) endGrace(e *entry) {
	v := e.Value()
	if v.Rotation == nil || v.Until == 0 {
		return
	}
	n, rot := *v, *v.Rotation
	rot.Until = 0
	n.Rotation = &rot
	s.hot.Set(e, &n, n.cost())
}

// failAll answers everyone who waits for p.
func (s *state) failAll(p *pendingOp, err error) {
	for _, r := range p.reqs {
		s.fail(r, err)
	}
	p.reqs = nil
}
