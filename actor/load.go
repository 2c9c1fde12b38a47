package actor

import (
	"errors"

	"github.com/sessile/sessile/persist"
)

// A load is one cold read. The disk is read on the caller's goroutine: the loop
// answers the first caller with a load, the caller reads and comes back with an
// offer, and everyone who asked for the same meanwhile is served from it.
//
// The race that a load must lose: it reads a row; the session is destroyed and
// the deletion is committed; the load is offered. So a load remembers how many
// burials there had been when it began (since), and an offer is held against
// every grave that was still open then.
type load struct {
	key     loadKey
	since   uint64
	leader  *request
	parked  []*request
	tainted bool // another node changed something meanwhile: answer from it, keep nothing
}

type loadKind uint8

const (
	byHash loadKind = iota + 1
	byID
	byUser
)

// loadKey identifies what is being read; listings are not shared, so their key
// names the request too.
type loadKey struct {
	kind loadKind
	hash persist.Hash
	id   persist.ID
	user string
	req  *request
}

// trusted reports whether memory may be served: always, where nobody else writes.
func (s *state) trusted() bool { return s.now < s.lease }

// read answers a read by token that the published index could not.
func (s *state) read(r *request) {
	if e := s.hot.ByKey(r.key.Hash); e != nil && s.trusted() {
		s.reply(r, response{view: e.Value()})
		return
	}
	if err := s.graves.refuseHash(r.key.Hash); err != nil {
		s.fail(r, err)
		return
	}
	s.startLoad(r, loadKey{kind: byHash, hash: r.key.Hash})
}

// resident returns the entry of r.id. If it is not in memory, r is answered or
// waits for a load, and the result is nil.
func (s *state) resident(r *request) *entry {
	if e := s.hot.ByID(r.id); e != nil && (s.trusted() || e.Pinned()) {
		return e
	}
	if s.graves.hasID(r.id) {
		s.fail(r, persist.ErrNotFound)
		return nil
	}
	s.startLoad(r, loadKey{kind: byID, id: r.id})
	return nil
}

func (s *state) startLoad(r *request, k loadKey) {
	if k.kind == byUser {
		k.req = r
	} else if l := s.loads[k]; l != nil {
		l.parked = append(l.parked, r)
		return
	}
	if s.closing {
		s.fail(r, ErrClosed)
		return
	}
	if s.busy() && !r.ends() {
		s.lineUp(&s.reading, r, s.cfg.MaxLoads)
		return
	}
	l := &load{key: k, since: s.graves.burials, leader: r}
	s.loads[k] = l
	s.stats.ColdReads++
	s.reply(r, response{load: l})
}

// offered takes what the disk said and serves everyone who waited for it.
func (s *state) offered(r *request, o *offer) {
	l := o.load
	delete(s.loads, l.key)
	defer s.graves.prune(s.oldestLoad())
	if l.key.kind == byUser {
		s.offeredList(r, o)
		return
	}
	waiters := append([]*request{r}, l.parked...)
	if o.err != nil {
		s.loadFailed(waiters, o)
		return
	}
	o.record = s.graves.amend(o.record)
	for _, w := range waiters {
		v := s.judge(l, o.record) // anew for each: the one before may have ended the session
		switch {
		case w.left:
		case v == refuse:
			s.fail(w, persist.ErrNotFound)
		case v == again:
			s.handle(w)
		default:
			s.serve(w, o.record, v)
		}
	}
}

// loadFailed answers with the disk's error. A caller who gave up says nothing
// about the disk: the next in line reads again. And while rotations settle, memory
// may know a token that the disk has forgotten already.
func (s *state) loadFailed(waiters []*request, o *offer) {
	k := o.load.key
	if gone := errors.Is(o.err, persist.ErrNotFound); gone && s.trusted() && (s.hot.ByKey(k.hash) != nil || s.hot.ByID(k.id) != nil) {
		for _, w := range waiters {
			if !w.left {
				s.handle(w)
			}
		}
		return
	} else if gone && k.kind == byHash {
		s.stats.UnknownTokens++
	}
	for i, w := range waiters {
		if o.own && i > 0 && !w.left {
			s.handle(w)
			continue
		}
		s.fail(w, o.err)
	}
}

// verdict is what may be done with a record from the disk.
type verdict uint8

const (
	keep       verdict = iota + 1 // it is true: keep it in memory
	answerOnly                    // it may answer those who asked, and is not kept
	again                         // it may be outdated: read again
	refuse                        // its session is over
)

// judge holds a record against what happened since its load began.
func (s *state) judge(l *load, r persist.Record) verdict {
	if e := s.hot.ByID(r.ID); e != nil && (s.trusted() || e.Pinned()) {
		return keep // memory is newer; serve uses it
	}
	switch s.graves.judge(l.since, r) {
	case refuse:
		return refuse
	case again:
		return again
	}
	if l.tainted {
		return answerOnly
	}
	return keep
}

// serve answers w from a record, by way of memory if it may be kept.
func (s *state) serve(w *request, r persist.Record, v verdict) {
	e := s.hot.ByID(r.ID)
	if e != nil && !s.trusted() && !e.Pinned() {
		s.hot.Remove(e) // outdated for all we know
		e = nil
	}
	if e == nil {
		view, moved := s.cfg.read(r, s.now)
		if v == answerOnly {
			s.serveView(w, view, r.Hash)
			return
		}
		e = s.keep(r, view, moved)
	}
	s.serveEntry(w, e)
}

func (s *state) serveEntry(w *request, e *entry) {
	if w.kind == kindRead {
		s.serveRead(w, e.Value(), e.Key())
		return
	}
	s.onResident(w, e)
}

// serveView answers from a record that is not kept. Only reads can be.
func (s *state) serveView(w *request, v *View, hash persist.Hash) {
	switch w.kind {
	case kindRead:
		s.serveRead(w, v, hash)
	case kindReadID:
		s.reply(w, response{view: v})
	default:
		s.handle(w)
	}
}

// serveRead answers a read by token: the token is the session's, or its
// previous one within its grace, or has been replaced.
func (s *state) serveRead(w *request, v *View, hash persist.Hash) {
	previous := v.Rotation != nil && v.Previous == w.key.Hash
	if w.key.Hash == hash || previous && s.now < v.Until {
		s.reply(w, response{view: v})
		return
	}
	at := s.now
	if v.Rotation != nil {
		at = v.At
	}
	s.fail(w, &RotatedError{ID: v.ID, At: at})
}

// keep puts a record into memory as it counts. If that is not as it is stored, it is
// written.
func (s *state) keep(r persist.Record, v *View, moved bool) *entry {
	e := s.hot.Add(r.ID, r.UserID, r.Hash, v, v.cost())
	if v.graced(s.now) {
		s.hot.Alias(e, v.Previous)
	}
	if moved {
		s.change(e, v, false).retime = true
	}
	return e
}

// offeredList answers a listing: what the disk had, less what is over, in the
// version that memory has.
func (s *state) offeredList(r *request, o *offer) {
	if o.err != nil {
		s.fail(r, o.err)
		return
	}
	views := make([]*View, 0, len(o.listing.Records))
	for _, rec := range o.listing.Records {
		rec = s.graves.amend(rec)
		v, _ := s.cfg.read(rec, s.now)
		switch s.judge(o.load, rec) {
		case refuse:
			continue
		case again:
			s.handle(r)
			return
		case keep:
			if e := s.hot.ByID(rec.ID); e != nil && (s.trusted() || e.Pinned()) {
				v = e.Value()
			}
		}
		if v.ActiveAt(s.now) {
			views = append(views, v)
		}
	}
	s.stats.Unreadable += uint64(o.listing.Unreadable)
	s.reply(r, response{views: views, n: o.listing.Unreadable})
}

// abandonLoad takes r out of the load it leads or waits for.
func (s *state) abandonLoad(r *request) {
	for k, l := range s.loads {
		if l.leader != r {
			continue
		}
		delete(s.loads, k)
		s.graves.prune(s.oldestLoad())
		for _, w := range l.parked {
			if !w.left {
				s.handle(w)
			}
		}
		return
	}
}

// oldestLoad is the number of burials when the oldest load under way began.
func (s *state) oldestLoad() uint64 {
	oldest := s.graves.burials
	for _, l := range s.loads {
		oldest = min(oldest, l.since)
	}
	return oldest
}
