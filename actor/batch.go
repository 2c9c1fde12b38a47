package actor

import (
	"slices"

	"github.com/sessile/sessile/persist"
)

// flight is the batch that is being committed, and whom its items belong to.
type flight struct {
	batch   *persist.Batch
	ops     []*pendingOp
	writes  []*dirty
	touches []*dirty
	tainted bool // another node changed something meanwhile
}

// nextBatch is the batch to commit now, nil if there is none: at once when
// somebody waits, else when the oldest change has waited for BatchInterval or
// BatchSize has come together. One batch is under way at a time; what arrives
// meanwhile makes the next one (group commit).
func (s *state) nextBatch() *persist.Batch {
	if s.finished || s.flight != nil || s.tick < s.retry.at || len(s.ops)+s.queue.Len() == 0 {
		return nil
	}
	due := s.due()
	if !due && !s.urgent() {
		return nil
	}
	f := &flight{batch: &persist.Batch{Now: s.now}}
	s.boardOps(f)
	s.boardDurable(f)
	if due { // a share of the batch is theirs, or a flood of operations would starve them
		s.boardOldest(f, max(s.cfg.BatchSize-f.batch.Len(), s.cfg.BatchSize/4, 1))
	}
	if f.batch.Len() == 0 {
		return nil
	}
	s.flight = f
	s.stats.Batches++
	s.stats.BatchItems += uint64(f.batch.Len())
	return f.batch
}

// due reports whether what waits has waited long enough.
func (s *state) due() bool {
	return s.closing || len(s.syncs) > 0 || s.queue.Len() >= s.cfg.BatchSize ||
		s.tick >= s.oldest()+s.cfg.BatchInterval.Microseconds()
}

// urgent reports whether somebody waits for the disk.
func (s *state) urgent() bool {
	return len(s.durable) > 0 || slices.ContainsFunc(s.ops, func(p *pendingOp) bool { return !p.lazy })
}

// oldest is the tick of the oldest change that waits for a batch.
func (s *state) oldest() int64 {
	at := int64(forever - 1<<40)
	if d := s.queue.oldest(); d != nil {
		at = d.since
	}
	if len(s.ops) > 0 {
		at = min(at, s.ops[0].since)
	}
	return at
}

// boardOps takes the operations in their order, with what their outcome depends on.
func (s *state) boardOps(f *flight) {
	n := min(len(s.ops), s.cfg.BatchSize)
	for _, p := range s.ops[:n] {
		switch {
		case p.op.Kind == persist.Rotate && p.tries == 0 && !s.boardRotate(f, p):
			continue
		case p.op.Kind == persist.Create && p.op.Limit.Max > 0:
			s.boardUser(f, p.op.Record.UserID)
		}
		f.ops = append(f.ops, p)
		f.batch.Ops = append(f.batch.Ops, p.op)
	}
	s.ops = slices.Delete(s.ops, 0, n)
	if len(s.ops) == 0 {
		s.ops = nil
	}
}

// boardRotate fixes what a rotation replaces: the current token, or that of the
// rotation of the same session before it. A rotation from the token before replaces a
// successor that was lost. It is false if the rotation is over.
func (s *state) boardRotate(f *flight, p *pendingOp) bool {
	r := p.reqs[0]
	p.op.From = p.entry.Key()
	graced, lost := false, false
	if v := p.entry.Value(); v != nil {
		graced, lost = v.graced(s.now), p.op.Until != 0 && v.SuccessorLost(r.from, s.now)
	}
	for _, q := range f.ops {
		if q.op.Kind == persist.Rotate && q.op.Ref.ID == p.op.Ref.ID {
			p.op.From, graced, lost = q.op.To, q.op.Until != 0, false
		}
	}
	switch {
	case s.hot.ByID(p.entry.ID()) != p.entry:
		s.fail(r, persist.ErrNotFound)
	case r.from != (persist.Hash{}) && r.from != p.op.From && !lost:
		s.fail(r, &RotatedError{ID: p.op.Ref.ID, At: s.now})
	case s.postponed(p.op.Ref.ID):
		s.fail(r, persist.ErrUnavailable)
	case p.op.Until != 0 && graced && !lost:
		s.fail(r, ErrInGrace)
	default:
		if lost {
			p.op.Lost, p.op.From = p.op.From, r.from
		}
		return true
	}
	s.unspin(p)
	return false
}

// postponed reports whether a rotation of a session that may have been done waits
// for its next try: until it is known, nobody can say what another would replace.
func (s *state) postponed(id persist.ID) bool {
	return slices.ContainsFunc(s.later, func(p *pendingOp) bool { return p.op.Kind == persist.Rotate && p.op.Ref.ID == id })
}

// boardUser takes the changes of a user who logs in: the least recently active
// session is chosen on disk.
func (s *state) boardUser(f *flight, user string) {
	for e := range s.hot.ByUser(user) {
		if d := s.dirty[e.ID()]; d != nil && d.elem != nil {
			s.board(f, d)
		}
	}
}

// boardDurable takes the changes that somebody waits for.
func (s *state) boardDurable(f *flight) {
	for _, d := range s.durable {
		d.asked = false
		if s.dirty[d.entry.ID()] == d && d.elem != nil {
			s.board(f, d)
		}
	}
	s.durable = nil
}

// boardOldest takes so many changes: the oldest with its neighbours on disk, then
// the oldest of those that are left with its own.
func (s *state) boardOldest(f *flight, room int) {
	var d *dirty
	for ; room > 0 && s.queue.Len() > 0; room-- {
		if d != nil {
			d = s.queue.neighbour(d)
		}
		if d == nil {
			d = s.queue.oldest()
		}
		s.board(f, d)
	}
}

// board takes one dirty session out of the queue into the flight.
func (s *state) board(f *flight, d *dirty) {
	s.queue.take(d)
	v := d.entry.Value()
	d.fly = flown{on: true, data: d.data, retime: d.retime, next: v.Version, first: d.first, since: d.since, wait: d.wait}
	var retime *persist.Retime
	if d.retime {
		retime = v.retime()
	}
	d.data, d.retime, d.wait = false, false, nil
	if !d.fly.data {
		f.touches = append(f.touches, d)
		f.batch.Touches = append(f.batch.Touches, persist.Touch{
			Ref: v.Ref(), Retime: retime, LastActive: v.LastActive, ExpiresAt: v.ExpiresAt,
		})
		return
	}
	f.writes = append(f.writes, d)
	f.batch.Writes = append(f.batch.Writes, persist.Write{
		Ref: v.Ref(), Retime: retime, If: d.base, Next: v.Version, Data: v.Doc.JSON,
		LastActive: v.LastActive, ExpiresAt: v.ExpiresAt,
	})
}

func (s *state) flyingOps() []*pendingOp {
	if s.flight == nil {
		return nil
	}
	return s.flight.ops
}

// idle reports whether everything is on disk.
func (s *state) idle() bool {
	return s.flight == nil && len(s.ops)+len(s.later)+len(s.dirty) == 0
}
