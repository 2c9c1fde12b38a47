package actor

import (
	"fmt"
	"slices"

	"github.com/sessile/sessile/persist"
)

// barrier is a Sync: it is answered when no change up to seq waits for the disk.
type barrier struct {
	seq uint64
	req *request
}

func (s *state) sync(r *request) { s.syncs = append(s.syncs, barrier{s.seq, r}) }

// answerSyncs answers the barriers that everything has passed.
func (s *state) answerSyncs() {
	if len(s.syncs) == 0 {
		return
	}
	oldest := s.oldestSeq()
	left := s.syncs[:0]
	for _, b := range s.syncs {
		switch {
		case b.req.told:
		case b.seq < oldest:
			s.reply(b.req, response{})
		default:
			left = append(left, b)
		}
	}
	clear(s.syncs[len(left):])
	s.syncs = left
}

// failSyncs tells the barriers that cover a change given up that it is not on disk.
func (s *state) failSyncs(seq uint64, err error) {
	s.syncs = slices.DeleteFunc(s.syncs, func(b barrier) bool {
		if b.seq < seq {
			return false
		}
		s.fail(b.req, err)
		return true
	})
}

// oldestSeq is the number of the oldest change that is not on disk.
func (s *state) oldestSeq() uint64 {
	oldest := s.seq + 1
	if d := s.queue.oldest(); d != nil {
		oldest = min(oldest, d.first)
	}
	for _, p := range s.ops {
		oldest = min(oldest, p.seq)
	}
	for _, p := range s.later {
		oldest = min(oldest, p.seq)
	}
	if s.flight == nil {
		return oldest
	}
	for _, p := range s.flight.ops {
		oldest = min(oldest, p.seq)
	}
	for _, ds := range [][]*dirty{s.flight.writes, s.flight.touches} {
		for _, d := range ds {
			if d.fly.on {
				oldest = min(oldest, d.fly.first)
			}
		}
	}
	return oldest
}

// watch is somebody's interest in the end of a session.
type watch struct {
	entry *entry
	done  chan struct{}
	n     int // callers
}

// watch gives the caller the channel that closes when the session ends.
func (s *state) watch(r *request, e *entry) {
	if !e.Value().ActiveAt(s.now) {
		s.fail(r, ErrExpired)
		return
	}
	w := s.watched[r.id]
	if w == nil {
		w = &watch{entry: e, done: make(chan struct{})}
		s.watched[r.id] = w
		s.hot.Pin(e)
		if end := e.Value().end(); len(s.watched) == 1 || end < s.watchAt {
			s.watchAt = end
		}
	}
	w.n++
	s.reply(r, response{done: w.done})
}

func (s *state) unwatch(r *request) {
	if w := s.watched[r.id]; w != nil && w.done == r.done {
		if w.n--; w.n == 0 {
			delete(s.watched, r.id)
			s.release(w.entry)
		}
	}
	s.reply(r, response{})
}

// endWatch tells everyone who waits for the end of a session.
func (s *state) endWatch(id persist.ID) {
	if w := s.watched[id]; w != nil {
		delete(s.watched, id)
		s.out.ended = append(s.out.ended, w.done)
		s.release(w.entry)
	}
}

// expireWatched ends the watched sessions whose time has come.
func (s *state) expireWatched() {
	if len(s.watched) == 0 || s.now < s.watchAt {
		return
	}
	s.watchAt = forever
	for id, w := range s.watched {
		if end := w.entry.Value().end(); s.now < end {
			s.watchAt = min(s.watchAt, end)
			continue
		}
		s.endWatch(id)
	}
}

// reset drops everything that is not on its way to the disk.
func (s *state) reset(reason string) {
	s.hot.Clear()
	s.stirs++
	for _, l := range s.loads {
		l.tainted = true
	}
	if !s.exclusive {
		s.taintFlight()
		s.lease = 0
	}
	s.event(Event{Kind: CacheReset, Reason: reason})
}

// invalidate drops what another node has changed, its unwritten touches too.
func (s *state) invalidate(events []persist.Event) {
	for _, ev := range events {
		switch ev.Kind {
		case persist.SessionChanged:
			if e := s.hot.ByID(ev.ID); e != nil {
				s.drop(e, ErrConflict)
			}
		case persist.UserChanged:
			for e := range s.hot.ByUser(ev.UserID) {
				if e.ID() != ev.Except {
					s.drop(e, ErrConflict)
				}
			}
		}
	}
	for _, l := range s.loads {
		l.tainted = true
	}
	s.taintFlight()
}

// taintFlight notes that another node may have changed what the flight creates.
func (s *state) taintFlight() {
	if s.flight != nil {
		s.flight.tainted = true
	}
}

// renewLease notes that everything older than age has been delivered.
func (s *state) renewLease(age int64) {
	if !s.exclusive {
		s.lease = max(s.lease, s.now-age+s.cfg.Lease.Microseconds())
	}
}

// close takes nothing more in: what waits goes to disk, what cannot wait is told so.
func (s *state) close() {
	s.closing = true
	for _, r := range slices.Concat(s.waiting, s.keeping) {
		s.fail(r, ErrClosed)
	}
	s.waiting, s.keeping = nil, nil
	for _, l := range s.loads {
		for _, w := range l.parked {
			s.fail(w, ErrClosed)
		}
		l.parked = nil
	}
	for _, l := range []*line{&s.growing, &s.reading} {
		for r := l.next(); r != nil; r = l.next() {
			s.fail(r, ErrClosed)
		}
	}
	for id := range s.watched {
		s.endWatch(id)
	}
}

// surrender answers everyone who still waits for the disk, which had its chance.
func (s *state) surrender() {
	for _, p := range slices.Concat(s.ops, s.later) {
		err := ErrClosed
		if p.grave != nil && p.op.Kind != persist.Rotate {
			err = fmt.Errorf("%w: %w", ErrNotDurable, ErrClosed)
		}
		s.failAll(p, err)
	}
	for _, d := range s.dirty {
		for _, w := range d.wait {
			s.fail(w, ErrClosed)
		}
		d.wait = nil
	}
}
