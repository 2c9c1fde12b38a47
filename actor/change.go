package actor

import (
	"slices"

	"github.com/sessile/sessile/persist"
)

// dirty is a session with changes that are not on disk. What must be written is
// always the entry's current view, so later changes replace earlier ones and a
// failed batch can never bring back something older. The entry is pinned
// meanwhile: eviction loses nothing.
type dirty struct {
	spot
	entry  *entry
	base   persist.Version // what the disk has
	data   bool            // the data changed, not only the times
	retime bool            // the times are taken back
	first  uint64          // number of the oldest change in the queue
	since  int64           // and its tick
	bytes  int64
	tries  int
	asked  bool       // it is among those that somebody waits for
	wait   []*request // durable flushes of what is queued
	fly    flown
}

// flown is the part of a dirty session that is in the flight.
type flown struct {
	on     bool
	data   bool
	retime bool
	next   persist.Version
	first  uint64
	since  int64
	wait   []*request
}

// change publishes a new version of e and marks it for the disk.
func (s *state) change(e *entry, v *View, data bool) *dirty {
	d := s.dirty[v.ID]
	if d == nil {
		d = &dirty{entry: e, base: e.Value().Version, spot: spot{place: placeOf(v.Key)}}
		s.dirty[v.ID] = d
		s.hot.Pin(e)
	}
	s.hot.Set(e, v, v.cost())
	if s.watched[v.ID] != nil {
		s.watchAt = min(s.watchAt, v.end()) // it may have been brought forward
	}
	d.data = d.data || data
	s.account(d)
	if d.elem == nil {
		d.first, d.since = s.nextSeq(), s.tick
		s.queue.push(d)
	}
	return d
}

// account keeps the sum of the data that waits for the disk.
func (s *state) account(d *dirty) {
	n := int64(0)
	if d.data || d.fly.data {
		n = int64(d.entry.Value().Doc.Len())
	}
	s.bytes += n - d.bytes
	d.bytes = n
}

// touch records an access. Where three quarters of pending are taken it is dropped:
// of all that waits for the disk it is worth the least (D13), and a flood of
// touches must not keep logins out.
func (s *state) touch(r *request, e *entry) {
	v := e.Value()
	if !v.ActiveAt(s.now) {
		s.fail(r, ErrExpired)
		return
	}
	if (s.gated || s.full(3, 4)) && s.dirty[r.id] == nil {
		s.stats.TouchesDropped++
		s.reply(r, response{view: v})
		return
	}
	s.stats.Touches++
	if r.slide {
		r.at, r.expires = s.now, renewed(s.now, v.TTL)
	}
	if r.at = min(r.at, s.now); r.at >= v.LastActive {
		n := *v
		n.access(r.at, r.expires, r.announced)
		s.change(e, &n, false)
		v = &n
	}
	s.reply(r, response{view: v})
}

// access gives v, which is not published yet, the times of an access, unless it
// had a later one.
func (v *View) access(at, expires int64, announced bool) {
	if at < v.LastActive {
		return
	}
	v.LastActive, v.ExpiresAt = at, min(expires, v.Deadline)
	if announced {
		v.Announced = at
	}
}

// flush replaces the data and the times.
func (s *state) flush(r *request, e *entry) {
	v := e.Value()
	if !v.ActiveAt(s.now) {
		s.fail(r, ErrExpired)
		return
	}
	n := *v
	n.access(min(r.at, s.now), r.expires, false)
	n.Doc, n.Version = r.doc, s.mint(v.Version)
	s.stats.Flushes++
	s.acknowledge(r, s.change(e, &n, true), &n)
}

// update applies per-key changes in the order in which they arrive, so that
// parallel requests of one session keep each other's keys (S44). It is an access.
func (s *state) update(r *request, e *entry) {
	v := e.Value()
	if !v.ActiveAt(s.now) {
		s.fail(r, ErrExpired)
		return
	}
	doc, err := v.Doc.With(r.changes)
	if err != nil {
		s.fail(r, persist.ErrCorrupt)
		return
	}
	if doc.Len() > r.maxData && doc.Len() >= v.Doc.Len() { // what is too much already may shrink
		s.fail(r, ErrDataTooLarge)
		return
	}
	n := *v
	n.access(s.now, renewed(s.now, v.TTL), r.announced)
	n.Doc, n.Version = doc, s.mint(v.Version)
	s.stats.Flushes++
	s.acknowledge(r, s.change(e, &n, true), &n)
}

// renewed is now + ttl, or forever where that overflows.
func renewed(now, ttl int64) int64 {
	if now > forever-ttl {
		return forever
	}
	return now + ttl
}

// acknowledge answers a change: at once, or when it is on disk.
func (s *state) acknowledge(r *request, d *dirty, v *View) {
	if r.durable {
		d.wait = append(d.wait, r)
		s.ask(d)
		return
	}
	s.reply(r, response{view: v})
}

// ask has a dirty session leave with the next batch.
func (s *state) ask(d *dirty) {
	if !d.asked {
		d.asked = true
		s.durable = append(s.durable, d)
	}
}

// unask forgets a caller who waited for a change to be on disk: while the disk stalls
// there may be any number of them.
func (s *state) unask(r *request) {
	if d := s.dirty[r.id]; d != nil && r.durable {
		is := func(w *request) bool { return w == r }
		d.wait, d.fly.wait = slices.DeleteFunc(d.wait, is), slices.DeleteFunc(d.fly.wait, is)
	}
}

// mint names the next version. Where others write too, it cannot be one of theirs.
func (s *state) mint(v persist.Version) persist.Version {
	if s.exclusive {
		return v + 1
	}
	return v + 1 + persist.Version(s.rng.Uint64N(1<<40))
}

// clean forgets d: everything is on disk, or there is nothing left to write.
func (s *state) clean(d *dirty) {
	s.queue.take(d)
	s.bytes -= d.bytes
	d.bytes = 0
	delete(s.dirty, d.entry.ID())
	s.release(d.entry)
}

// release unpins e if nothing holds it any more.
func (s *state) release(e *entry) {
	id := persist.ID(e.ID())
	if s.dirty[id] == nil && s.watched[id] == nil && s.spins[id] == 0 && s.hot.ByID(id) == e {
		s.hot.Unpin(e)
	}
}

// drop forgets a session whose end has come: nothing of it is written any more.
func (s *state) drop(e *entry, err error) {
	id := persist.ID(e.ID())
	d := s.dirty[id]
	if d != nil { // who does not find it from now on must not take its row for the truth
		s.calm.Store(0)
		s.stirs++
	}
	s.hot.Remove(e)
	if d != nil {
		for _, w := range append(d.wait, d.fly.wait...) {
			s.fail(w, err)
		}
		d.wait, d.fly.wait = nil, nil
		s.clean(d)
	}
	s.endWatch(id)
}
