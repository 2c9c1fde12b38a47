package actor

import (
	"slices"

	"github.com/sessile/sessile/persist"
)

// pendingOp is a security operation that is not on disk yet.
type pendingOp struct {
	op    persist.Op
	reqs  []*request // who waits for it; nobody, if it is a retry or a clean-up
	grave *grave     // Destroy, DestroyUser, a lost Rotate: closed when it is done
	also  *grave     // a lost Rotate: of a token before the one that it replaces
	entry *entry     // Rotate: pinned until it is done
	order uint64     // of acceptance
	seq   uint64
	since int64 // tick of its acceptance
	at    int64 // not before that tick
	tries int
	lazy  bool // may wait for the next batch
}

func (s *state) enqueue(p *pendingOp) {
	p.order, p.since = s.nextSeq(), s.tick
	p.seq = p.order
	s.stirs++
	s.bytes += p.size()
	s.ops = append(s.ops, p)
}

// size is the data that waits for the disk with p, in bytes: that of a new session.
func (p *pendingOp) size() int64 {
	if p.op.Record == nil {
		return 0
	}
	return int64(len(p.op.Record.Data))
}

// create queues a new session. It is on disk before anyone learns its token.
func (s *state) create(r *request) {
	if u := r.record.UserID; u != "" && s.graves.stuckUser(u) {
		s.fail(r, persist.ErrUnavailable)
		return
	}
	s.enqueue(&pendingOp{
		op:   persist.Op{Kind: persist.Create, Record: r.record, Limit: r.limit, Replaces: r.replaces},
		reqs: []*request{r},
	})
}

// destroy ends a session: refused in memory first, then on disk (S30).
// Naming the owner makes it conditional; then the session must be known.
func (s *state) destroy(r *request) {
	if g := s.graves.ids[r.id]; g != nil {
		s.joinDestroy(r, g)
		return
	}
	if r.user.ID != "" {
		if e := s.resident(r); e != nil {
			s.destroyOwned(r, e)
		}
		return
	}
	if s.hot.ByID(r.id) == nil && s.graves.len() >= s.cfg.MaxGraves {
		s.waiting = append(s.waiting, r)
		return
	}
	s.destroyNow(r, r.id)
}

// destroyOwned ends a session if it is the named user's (A15, S34).
func (s *state) destroyOwned(r *request, e *entry) {
	if r.user.ID != "" && e.User() != r.user.ID {
		s.fail(r, persist.ErrNotFound)
		return
	}
	s.destroyNow(r, r.id)
}

// destroyNow refuses a session from now on and queues its deletion.
func (s *state) destroyNow(r *request, id persist.ID) {
	e := s.hot.ByID(id)
	g := &grave{id: id}
	ref := persist.Ref{ID: id}
	first := s.unwritten(e)
	if e != nil {
		g.hash, g.owner, ref = e.Key(), e.User(), e.Value().Ref()
		s.drop(e, persist.ErrNotFound)
	} else {
		s.endWatch(id)
	}
	p := &pendingOp{op: persist.Op{Kind: persist.Destroy, Ref: ref}, grave: s.graves.open(g)}
	if r != nil {
		p.reqs, r.dug = []*request{r}, true
	}
	s.enqueue(p)
	p.seq = min(p.seq, first)
}

// joinDestroy answers a destroy of what is already destroyed: when that is on disk.
func (s *state) joinDestroy(r *request, g *grave) {
	if r.user.ID != "" && (g.closed != 0 || g.owner != r.user.ID) {
		s.fail(r, persist.ErrNotFound)
		return
	}
	for _, p := range slices.Concat(s.ops, s.later, s.flyingOps()) {
		if p.grave == g {
			p.reqs, r.dug = append(p.reqs, r), true
			return
		}
	}
	s.reply(r, response{})
}

// destroyUser ends every session of a user but r.id.
func (s *state) destroyUser(r *request) {
	if r.id.IsZero() {
		s.wipe(r)
		return
	}
	if e := s.resident(r); e != nil {
		s.destroyExcept(r, e)
	}
}

// destroyExcept does so if the session to keep is the user's and active (S33). A login
// under way may replace that one: 1. A browser logs in again. 2. It asks, by its old
// session, to end all others. 3. The login is committed. 4. The end of all but the old
// one is committed: it ends the new one too. So the second call waits for the first.
func (s *state) destroyExcept(r *request, e *entry) {
	if s.replacing(r.id) {
		s.keeping = append(s.keeping, r)
		return
	}
	if e.User() != r.user.ID || !e.Value().ActiveAt(s.now) {
		s.fail(r, persist.ErrNotFound)
		return
	}
	s.wipe(r)
}

// replacing reports whether a create that is not settled replaces a session.
func (s *state) replacing(id persist.ID) bool {
	does := func(p *pendingOp) bool { return p.op.Kind == persist.Create && p.op.Replaces == id }
	return slices.ContainsFunc(s.ops, does) || slices.ContainsFunc(s.flyingOps(), does)
}

// wipe ends a user's sessions: hot, cold, dirty, being loaded and being created (S31).
func (s *state) wipe(r *request) {
	p := s.queuedWipe(r)
	if p == nil {
		p = &pendingOp{op: persist.Op{Kind: persist.DestroyUser, User: r.user, Except: r.id}}
		s.enqueue(p)
		p.grave = s.graves.open(&grave{user: r.user.ID, except: r.id, seq: p.seq})
	}
	p.reqs, r.dug = append(p.reqs, r), true
	for e := range s.hot.ByUser(r.user.ID) {
		if e.ID() != r.id {
			p.seq = min(p.seq, s.unwritten(e))
			s.drop(e, persist.ErrNotFound)
		}
	}
}

// queuedWipe is an operation that is yet to do what r asks for: a disk that is
// down would let them pile up. A session created since is not meant by it.
func (s *state) queuedWipe(r *request) *pendingOp {
	if len(s.graves.users[r.user.ID]) == 0 {
		return nil
	}
	for _, p := range slices.Backward(s.ops) {
		switch {
		case p.op.Kind == persist.Create && p.op.Record.UserID == r.user.ID:
			return nil
		case p.op.Kind == persist.DestroyUser && p.op.User.ID == r.user.ID && p.op.Except == r.id:
			return p
		}
	}
	return nil
}

// unwritten is the number of the oldest change of e that is not on disk. A
// destroy takes it over with the session: until it is on disk, a Sync that
// covers the change is not done.
func (s *state) unwritten(e *entry) uint64 {
	first := s.seq + 1
	if e == nil {
		return first
	}
	d := s.dirty[e.ID()]
	if d != nil && d.elem != nil {
		first = min(first, d.first)
	}
	if d != nil && d.fly.on {
		first = min(first, d.fly.first)
	}
	return first
}

// rotate queues a new token. The old one is good until the new one is on disk,
// and dead before the new one is handed out.
func (s *state) rotate(r *request, e *entry) {
	v := e.Value()
	if !v.ActiveAt(s.now) {
		s.fail(r, ErrExpired)
		return
	}
	if lost := r.until != 0 && v.SuccessorLost(r.from, s.now); !lost {
		if r.from != (persist.Hash{}) && r.from != e.Key() {
			s.fail(r, &RotatedError{ID: r.id, At: s.now})
			return
		}
		if r.until != 0 && v.graced(s.now) {
			s.fail(r, ErrInGrace)
			return
		}
	}
	s.hot.Pin(e)
	s.spins[r.id]++
	op := persist.Op{Kind: persist.Rotate, Ref: v.Ref(), To: r.to, Until: r.until}
	if r.reauth {
		op.AuthAt = s.now
	}
	s.enqueue(&pendingOp{op: op, reqs: []*request{r}, entry: e})
}

// seen notes that the new token has come back: its predecessor's grace ends at r.until.
func (s *state) seen(r *request, e *entry) {
	v := e.Value()
	if v.Rotation == nil || v.Until <= r.until || e.Key() != r.to {
		s.reply(r, response{view: v})
		return
	}
	if s.gated { // the next read notes it again
		s.reply(r, response{view: v})
		return
	}
	n, rot := *v, *v.Rotation
	rot.Until = r.until
	n.Rotation = &rot
	s.hot.Set(e, &n, n.cost())
	s.hot.Pin(e) // memory alone knows it until it is on disk
	s.spins[r.id]++
	s.enqueue(&pendingOp{
		lazy: true, entry: e,
		op: persist.Op{Kind: persist.Seen, Ref: v.Ref(), To: r.to, Until: r.until},
	})
	s.reply(r, response{view: &n})
}

// expire queues the deletion of those candidates that memory does not know to be active.
func (s *state) expire(r *request) {
	refs := r.refs
	r.refs = nil // from now on those that turn out to be active
	for _, ref := range refs {
		if s.graves.hasID(ref.ID) {
			continue
		}
		if e := s.hot.ByID(ref.ID); e != nil && e.Value().ActiveAt(s.now) {
			continue // an extension may be on its way to the disk (D8)
		}
		r.open++
		s.enqueue(&pendingOp{op: persist.Op{Kind: persist.Expire, Ref: ref}, reqs: []*request{r}})
	}
	if r.open == 0 {
		s.reply(r, response{})
	}
}

// abandonOp takes back an operation that is not under way, and reports whether
// nothing of it was or will be done. A destroy stays: what it ends is refused in
// memory already.
func (s *state) abandonOp(r *request) bool {
	is := func(w *request) bool { return w == r }
	s.waiting, s.keeping = slices.DeleteFunc(s.waiting, is), slices.DeleteFunc(s.keeping, is)
	if r.kind != kindCreate && r.kind != kindRotate {
		return !r.dug
	}
	for i, p := range s.ops {
		if slices.Contains(p.reqs, r) {
			s.ops = slices.Delete(s.ops, i, i+1)
			s.unspin(p)
			s.bytes -= p.size()
			return true
		}
	}
	return !slices.ContainsFunc(s.flyingOps(), func(p *pendingOp) bool { return slices.Contains(p.reqs, r) })
}

// unspin releases the entry of an operation on its token that has ended.
func (s *state) unspin(p *pendingOp) {
	if p.entry == nil {
		return
	}
	id := p.op.Ref.ID
	if s.spins[id]--; s.spins[id] <= 0 {
		delete(s.spins, id)
	}
	s.release(p.entry)
	p.entry = nil
}

// admitWaiting lets waiting destroys in when there is room among the graves, and those
// that keep a session when it is known whether that was replaced.
func (s *state) admitWaiting() {
	keeping := s.keeping
	s.keeping = nil
	for _, r := range keeping {
		s.handle(r)
	}
	for len(s.waiting) > 0 && s.graves.len() < s.cfg.MaxGraves {
		r := s.waiting[0]
		s.waiting = s.waiting[1:]
		if !r.left {
			s.destroy(r)
		}
	}
}
