package actor

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
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
	at int64 // no attempt before that tick
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
	s.putBack()
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
		s.over(persist.Removed{ID: e.ID(), Hash: e.Key(), UserID: e.User()}, Event{Kind: Destroyed})
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
		s.graves.compact()
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
		d.fly.since = s.tick // not at once
		s.requeue(d)
		return
	}
	s.failSyncs(d.fly.first, err)
	s.stats.Quarantined++
	s.event(Event{Kind: Quarantined, ID: d.entry.ID(), UserID: d.entry.User(), Err: err})
	s.drop(d.entry, err)
}

// requeue takes what was flown back: the entry's current view is never older.
// putBack ends it.
func (s *state) requeue(d *dirty) {
	s.queue.take(d)
	d.data, d.retime = d.data || d.fly.data, d.retime || d.fly.retime
	d.wait = append(d.fly.wait, d.wait...)
	if len(d.wait) > 0 {
		s.ask(d)
	}
	d.first, d.since = d.fly.first, d.fly.since
	d.fly = flown{}
	s.back = append(s.back, d)
}

// putBack queues what was taken back.
func (s *state) putBack() {
	s.queue.putBack(s.back)
	clear(s.back)
	s.back = s.back[:0]
}

// failed takes a whole batch back.
func (s *state) failed(f *flight, err error) {
	s.stats.BatchFailures++
	s.stats.LastError, s.stats.LastErrorAt = err, s.now
	if s.retry.n == 0 {
		s.stats.FailingSince = max(s.tick, 1)
		s.event(Event{Kind: WriteFailed, Err: err})
	}
	if errors.Is(err, persist.ErrReplaced) { // who waits for the disk might wait for ever
		s.failSyncs(0, err)
	}
	s.retry.at = s.tick + s.delay(s.retry.n)
	s.retry.n++
	for _, d := range slices.Concat(f.writes, f.touches) {
		if s.dirty[d.entry.ID()] != d || !d.fly.on {
			continue
		}
		for _, w := range d.fly.wait {
			s.fail(w, err)
		}
		d.fly.wait = nil
		s.requeue(d)
	}
	s.putBack()
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
			s.bytes -= p.size()
			s.failAll(p, err)
			if unknown {
				undo = append(undo, p.op.Record.ID)
				s.doubt(p.op.Record.UserID)
			}
		case persist.Rotate:
			if s.failedRotate(f, p, err, unknown) {
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
	s.again(again)
	for _, id := range undo {
		s.destroyNow(nil, id)
	}
}

// doubt forgets what memory has of a user whose sessions a create of unknown
// outcome may have evicted: the next read asks the disk. What has been read
// already may be outdated, and what memory must keep is written, which tells.
func (s *state) doubt(user string) {
	for _, l := range s.loads {
		l.tainted = true
	}
	for _, id := range slices.SortedFunc(maps.Keys(s.watched), func(a, b persist.ID) int { return bytes.Compare(a[:], b[:]) }) {
		if e := s.hot.ByID(id); e != nil && e.User() == user && s.dirty[id] == nil {
			s.change(e, e.Value(), false)
		}
	}
	if user == "" { // guests are in no user's list
		s.hot.Clear()
		return
	}
	for e := range s.hot.ByUser(user) {
		if !e.Pinned() {
			s.hot.Remove(e)
		}
	}
}

// failedRotate reports whether the rotation must be tried again. If it may have
// been done, the new token is never handed out. With a grace the old one is good
// either way, and a lost successor is dead from now on. Without, it is dead from now on: the session is out of reach until
// it is destroyed or expires (I2, D9).
func (s *state) failedRotate(f *flight, p *pendingOp, err error, unknown bool) bool {
	s.failAll(p, err)
	switch {
	case !unknown && p.tries == 1: // what is tried again may have been done before
		s.unspin(p)
		return false
	case p.op.Until != 0:
		s.loseSuccessor(p)
		return true
	}
	if e := p.entry; e != nil && s.hot.ByID(e.ID()) == e {
		s.lock(f, p, e)
	}
	s.unspin(p)
	if p.grave == nil {
		p.grave = s.graves.open(&grave{hash: p.op.From, to: p.op.To, at: s.now})
	}
	return true
}

// loseSuccessor kills the successor that a rotation replaces, as soon as that may have
// been done. Else: 1. The outcome is unknown. 2. The lost token comes after all, and is
// noted as seen. 3. The retry replaces it, and the client that has it is logged out.
func (s *state) loseSuccessor(p *pendingOp) {
	if p.op.Lost == (persist.Hash{}) || p.grave != nil {
		return
	}
	p.grave = s.graves.open(&grave{hash: p.op.Lost, to: p.op.To, at: s.now})
	if e := p.entry; e != nil && s.hot.ByID(e.ID()) == e {
		s.retoken(e, &p.op, s.now)
	}
}

// lock puts a session out of reach: what opened it, and what a rotation with a
// grace before this one may have left to open it, is dead.
func (s *state) lock(f *flight, p *pendingOp, e *entry) {
	for _, q := range f.ops[:slices.Index(f.ops, p)] {
		if q.op.Kind == persist.Rotate && q.op.Until != 0 && q.entry == e {
			s.unspin(q)
		}
	}
	if old := e.Key(); old != p.op.From {
		p.also = s.graves.open(&grave{hash: old, to: p.op.To, at: s.now})
	}
	n := *e.Value()
	n.Rotation = ended(p.op.From, s.now)
	s.rekey(e, &n, p.op.To)
	s.endWatch(e.ID())
}

// ended is the rotation of a session whose last one may have been done or not:
// no token opens it.
func ended(from persist.Hash, now int64) *persist.Rotation {
	return &persist.Rotation{Previous: from, At: now}
}

// failAll answers everyone who waits for p.
func (s *state) failAll(p *pendingOp, err error) {
	for _, r := range p.reqs {
		s.fail(r, err)
	}
	p.reqs = nil
}
