package actor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

// begin starts one call.
func (m *sim) begin() {
	x := m.pick()
	if len(m.meant) > 0 && m.step-m.meantAt < 60 && m.rng.IntN(2) == 0 { // so that reads race the pieces
		m.beginRead(m.meant[m.rng.IntN(len(m.meant))])
		return
	}
	k := m.rng.IntN(100)
	if m.step%100 >= 50 && m.rng.IntN(16) > 0 { // half of a run has few security operations, so that rows are trusted
		k = 12 + m.rng.IntN(58)
	}
	switch {
	case x == nil || k < 12:
		m.beginCreate()
	case k < 40:
		m.beginRead(x)
	case k < 45:
		m.start(&simClient{what: "read id", sess: x, dead: x.ended}, m.h.readID(x.id))
	case k < 55:
		m.start(&simClient{what: "touch", sess: x}, m.h.touch(x.id))
	case k < 70:
		m.beginUpdate(x)
	case k < 78:
		m.beginRotate(m.pastGrace(m.unseen(x)))
	case k < 80:
		x = m.unseen(x)
		x.hinted = true
		c := &simClient{what: "seen", sess: x, live: x.tokens[len(x.tokens)-1]}
		m.start(c, m.h.seenNote(x.id, c.live, m.now+50_000))
	case k < 82:
		m.beginWatch(x)
	case k < 85:
		x.doomed = true
		r := m.h.destroy(x.id)
		if m.rng.IntN(2) == 0 {
			r.owner = persist.UserKey{ID: x.user}
		}
		m.start(&simClient{what: "destroy", sess: x}, r)
	case k < 89:
		m.beginWipe(x)
	case k < 92:
		c := &simClient{what: "list", floors: m.floors(x.user), over: map[*simSession]bool{}}
		for _, y := range m.sessions {
			c.over[y] = y.ended
		}
		m.beginList(c, x.user)
	case k == 95 && (m.c.ending != nil || m.rng.IntN(3) == 0):
		m.beginDestroyAll()
	case k < 96:
		m.start(&simClient{what: "sync", floors: m.floors("")}, m.h.sync())
	default:
		refs, _, err := m.disk.Expired(m.t.Context(), m.now, 0, 5)
		if err != nil {
			m.t.Fatal(err)
		}
		m.start(&simClient{what: "expire"}, m.h.expireReq(refs))
	}
}

// start hands a command to the core.
func (m *sim) start(c *simClient, r command) {
	c.cmd = r
	m.serial++
	sid := persist.ID{}
	if c.sess != nil {
		sid = c.sess.id
	}
	m.logf("%s #%d of %x begins", c.what, m.serial, sid[14:])
	m.clients = append(m.clients, c)
	m.send(r)
}

func (m *sim) beginCreate() {
	m.serial++
	user := fmt.Sprintf("u%d", m.rng.IntN(m.users))
	ttl := int64(2_000_000) << m.rng.IntN(9)
	rec := &persist.Record{
		Identity: &persist.Identity{UserID: user, CreatedAt: m.now, Deadline: m.now + 4*ttl, TTL: ttl},
		Hash:     m.hash(), Version: 1, LastActive: m.now, ExpiresAt: m.now + ttl, Data: []byte("{}"),
	}
	rec.ID[0], rec.ID[15], rec.ID[14] = 1, byte(m.serial), byte(m.serial>>8)
	m.created[rec.ID] = rec
	r, c := newCommand(func(x *createCommand) { x.record, x.grows = rec, true }), &simClient{what: "create"}
	if x := m.pick(); x != nil && m.rng.IntN(3) == 0 { // a login in a browser that has a session
		user = x.user
		rec.UserID, r.replaces, c.targets = user, x.id, []*simSession{x}
		x.leaving++
	}
	if m.rng.IntN(6) == 0 {
		r.limit.Max = 2
		for _, x := range m.sessions {
			x.doomed = x.doomed || x.user == user
		}
	}
	m.logf("create of %x", rec.ID[14:])
	for _, w := range m.clients {
		c.unsure = c.unsure || w.what == "wipe" && w.wiped() == user && w.cmd.(*destroyUserCommand).op == nil // else it is meant no more
	}
	for _, w := range m.clients {
		if w.what == "create" && w.created().UserID == user && r.limit.Max > 0 {
			w.unsure = true
		}
	}
	m.start(c, r)
}

// beginWatch asks for the end of a session, or takes such a question back.
func (m *sim) beginWatch(x *simSession) {
	n := len(x.watches)
	if n == 0 || m.rng.IntN(3) > 0 {
		m.start(&simClient{what: "watch", sess: x}, m.h.watch(x.id))
		return
	}
	w := x.watches[n-1]
	x.watches = x.watches[:n-1]
	m.start(&simClient{what: "unwatch", sess: x}, m.h.unwatch(x.id, w))
}

// beginRotate replaces the token: any, or the one that the caller knows, at once
// or with a grace.
func (m *sim) beginRotate(x *simSession) {
	x.rotating++
	x.changes++
	c := &simClient{what: "rotate", sess: x, token: m.hash(), live: x.tokens[len(x.tokens)-1], grace: m.rng.IntN(2) == 0}
	r := m.h.rotateTo(x.id, c.token)
	if m.rng.IntN(2) == 0 {
		r.change.From, c.named = c.live, true
	}
	if x.unseen() && m.rng.IntN(4) > 0 {
		m.beginReissue(c, r)
	}
	if c.grace {
		x.gracing++
		r.change.Until = persist.Unseen
	}
	m.logf("rotation from %x to %x, grace %t", r.change.From[:2], c.token[:2], c.grace)
	m.start(c, r)
}

// unseen is a session whose new token may have been lost, or else x.
func (m *sim) unseen(x *simSession) *simSession {
	if m.rng.IntN(2) == 0 {
		return x
	}
	for _, y := range slices.Backward(m.sessions) {
		if y.unseen() && !y.ended && m.now < y.floorExp {
			return y
		}
	}
	return x
}

// pastGrace is, now and then, a session whose token before the last has had a grace, or else x: its
// next rotation must not bring that one back.
func (m *sim) pastGrace(x *simSession) *simSession {
	if m.rng.IntN(3) > 0 {
		return x
	}
	for _, y := range slices.Backward(m.sessions) {
		if n := len(y.tokens); n > 1 && y.graces[y.tokens[n-2]] > 0 && !m.graced(y, y.tokens[n-2]) && !y.ended && m.now < y.floorExp {
			return y
		}
	}
	return x
}

func (x *simSession) unseen() bool {
	n := len(x.tokens)
	return n > 1 && x.graces[x.tokens[n-2]] == persist.Unseen
}

// beginReissue makes a rotation one from the token before, for the case that the one after it
// was lost; now and then a minute after that.
func (m *sim) beginReissue(c *simClient, r *rotateCommand) {
	x := c.sess
	if m.rng.IntN(2) == 0 {
		m.now += lostAfter
	}
	c.reissue, c.grace, c.live = true, true, x.tokens[len(x.tokens)-2]
	r.change.From, c.changes = c.live, x.changes
	c.due = m.now-x.turned >= lostAfter && x.rotating == 1 && !x.unsure && !x.lost && !x.phantom
}

// graced reports whether a token that was replaced may be good still.
func (m *sim) graced(x *simSession, h persist.Hash) bool { return m.now < x.graces[h] }

func (m *sim) beginRead(x *simSession) {
	i := len(x.tokens) - 1
	if m.rng.IntN(4) == 0 {
		i = m.rng.IntN(len(x.tokens))
	}
	c := m.readOf(x, i)
	m.logf("read of %x with token %x, %d of %d", x.id[14:], c.token[:2], i+1, len(x.tokens))
	if v := m.pub.index.Get((*[32]byte)(&c.token)); v != nil { // as Peek does
		m.checkRead(c, response{view: v})
		return
	}
	if c.epoch = m.pub.epoch.Load(); c.epoch != 0 {
		c.began = m.now
		m.clients = append(m.clients, c)
		m.logf("optimistic read begins, epoch %d", c.epoch)
		return
	}
	m.start(c, m.h.read(c.token))
}

// readOf is a read of x by the i-th of its tokens, with what it must find.
func (m *sim) readOf(x *simSession, i int) *simClient {
	c := &simClient{what: "read", sess: x, token: x.tokens[i], changes: x.changes}
	replaced := i < len(x.tokens)-1
	c.dead = x.ended || (x.lost || replaced) && !m.graced(x, c.token)
	c.alive = !c.dead && !x.lost && !x.unsure && !x.mayEnd() && x.rotating == 0
	c.floors = map[*simSession]map[string]int{x: maps.Clone(x.values)}
	return c
}

// look is a reader that runs between two publications: it looks for sessions that the
// step has changed, and for one that it has not, in memory and, if the epoch lets it, on disk.
func (m *sim) look(changed []*entry) {
	if m.failure != "" {
		return
	}
	m.looks++
	if m.rng.IntN(4) == 0 {
		if x := m.pick(); x != nil {
			m.lookFor(x, m.rng.IntN(len(x.tokens)))
		}
	}
	for _, e := range changed {
		i := slices.IndexFunc(m.sessions, func(x *simSession) bool { return x.id == e.ID() })
		if i < 0 {
			continue
		}
		x := m.sessions[i]
		for k := max(0, len(x.tokens)-3); k < len(x.tokens); k++ {
			m.lookFor(x, k)
		}
	}
}

func (m *sim) lookFor(x *simSession, i int) {
	c := m.readOf(x, i)
	c.what = "look"
	v := m.pub.index.Get((*[32]byte)(&c.token))
	if v != nil {
		m.checkRead(c, response{view: v})
		named := v.Rotation != nil && v.Previous == c.token
		if !named && i < len(x.tokens)-1 && !x.unsure && !x.lost {
			m.failf("a token that was replaced finds session %x as if it were the current one", x.id[14:])
		}
		// A rotation whose caller has gone may fail with an unknown outcome. Watchers are told,
		// since no token opens the session, and the next rotation opens it again.
		told := slices.ContainsFunc(x.watches, over) && !x.unsure
		if told && v.ActiveAt(m.now) && (v.Rotation == nil || v.Previous != c.token) {
			m.failf("who was told of the end of session %x finds it", x.id[14:])
		}
		return
	}
	if m.pub.epoch.Load() == 0 {
		return
	}
	rec, err := m.disk.ByHash(m.t.Context(), persist.TokenKey{Hash: c.token})
	if err == nil && rec.Hash == c.token {
		m.checkRead(c, response{view: viewOf(rec)})
	}
}

// endOptimistic is the end of an optimistic read, by the rules of Actor.optimistic.
func (m *sim) endOptimistic(c *simClient) {
	o, epoch := c.result, c.epoch
	c.result, c.epoch = nil, 0
	m.remove(c)
	if m.pub.epoch.Load() != epoch || o.err == nil && o.record.Hash != c.token {
		m.start(c, m.h.read(c.token))
		return
	}
	m.acks++
	m.fast++
	m.logf("optimistic read answered: %v", o.err)
	if o.err != nil {
		m.checkRead(c, response{err: o.err})
		return
	}
	v := viewOf(o.record)
	m.rows = append(m.rows, found{o.record, v, false, epoch})
	if v.ActiveAt(c.began) && !v.ActiveAt(m.now) { // somebody may have renewed it: the store looks again
		m.start(c, m.h.read(c.token))
		return
	}
	m.checkRead(c, response{view: v})
}

// tellFound lets the core hear of a row that an optimistic read has brought.
func (m *sim) tellFound() {
	if len(m.rows) == 0 {
		return
	}
	f := m.rows[0]
	m.rows = m.rows[1:]
	if m.variant == "rows are installed" {
		f.epoch = m.pub.epoch.Load()
	}
	m.logf("a row was found")
	m.send(f)
}

func (m *sim) beginUpdate(x *simSession) {
	key := fmt.Sprintf("k%d", m.rng.IntN(3))
	if x.busy[key] {
		return
	}
	x.busy[key] = true
	m.serial++
	c := &simClient{what: "update", sess: x, key: key, val: m.serial}
	m.start(c, newCommand(func(u *updateCommand) {
		u.id, u.maxData, u.grows, u.durable = x.id, 1<<16, true, m.rng.IntN(4) == 0
		u.changes = []object.Change{{Key: key, Value: fmt.Appendf(nil, "%d", c.val)}}
	}))
}

func (m *sim) beginWipe(x *simSession) {
	c := &simClient{what: "wipe", sess: x}
	r := m.h.wipe(x.user)
	if m.rng.IntN(2) == 0 {
		r.except = x.id
	}
	for _, y := range m.sessions {
		if y.user == x.user && y.id != r.except {
			y.doomed = true
			c.targets = append(c.targets, y)
		}
	}
	for _, w := range m.clients {
		if w.what == "create" && w.created().UserID == x.user {
			w.unsure = true
		}
	}
	m.meant, m.meantAt = c.targets, m.step
	m.start(c, r)
}

// floors is what is acknowledged now, of one user or of all.
func (m *sim) floors(user string) map[*simSession]map[string]int {
	f := make(map[*simSession]map[string]int)
	for _, x := range m.sessions {
		if user == "" || x.user == user {
			f[x] = maps.Clone(x.values)
		}
	}
	return f
}

// answered checks one answer of the core.
func (m *sim) answered(r reply) {
	c, resp := m.client(r.call.self), responseOf(r)
	if c == nil {
		m.failf("a caller was answered that does not wait")
		return
	}
	if resp.load != nil {
		c.load = resp.load
		m.logf("%s must read the disk", c.what)
		return
	}
	m.remove(c)
	if left, ok := errors.AsType[*leftError](resp.err); ok {
		m.left(c, left.state)
		return
	}
	m.acks++
	if c.sess != nil {
		m.logf("of %x:", c.sess.id[14:])
	}
	m.logf("%s answered: %v", c.what, resp.err)
	switch c.what {
	case "create":
		m.ackCreate(c, resp)
	case "read", "read id":
		m.checkRead(c, resp)
	case "touch":
		m.ackAccess(c.sess, resp)
	case "update":
		delete(c.sess.busy, c.key)
		if resp.err == nil {
			c.sess.values[c.key] = c.val
			if r.call.self.(*updateCommand).durable {
				c.sess.stored[c.key] = c.val
			}
		}
		m.ackAccess(c.sess, resp)
	case "rotate":
		m.ackRotate(c, resp)
	case "seen":
		// At the bound of pending the note is dropped: the next read makes it again.
		noted := resp.err == nil && resp.view.Rotation != nil && resp.view.Until <= r.call.self.(*seenCommand).until
		if x := c.sess; noted && c.live == x.tokens[len(x.tokens)-1] && x.rotating == 0 && !x.unsure {
			for h, end := range x.graces {
				x.graces[h] = min(end, r.call.self.(*seenCommand).until)
			}
		}
	case "watch":
		if resp.err == nil {
			c.sess.watches = append(c.sess.watches, resp.done)
		}
	case "destroy":
		m.ackEnd([]*simSession{c.sess}, resp.err)
	case "wipe":
		m.ackEnd(c.targets, resp.err)
	case "destroy all":
		m.ackEnd(c.targets, resp.err)
		if resp.err == nil {
			m.everyone++
		}
	case "piece":
		m.ender.waits = false
	case "pass":
		m.passEnded(r.call.self.(*passCommand))
	case "list", "search":
		m.checkList(c, resp)
	case "sync":
		if resp.err == nil {
			for x, vals := range c.floors {
				for k, v := range vals {
					x.stored[k] = max(x.stored[k], v)
				}
			}
		}
	}
}

func (m *sim) ackCreate(c *simClient, resp response) {
	rec := c.created()
	m.replaced(c, resp.err)
	if resp.err != nil {
		m.ghosts = append(m.ghosts, rec.ID)
		return
	}
	x := &simSession{
		id: rec.ID, user: rec.UserID, tokens: []persist.Hash{rec.Hash}, doomed: c.unsure,
		values: map[string]int{}, stored: map[string]int{}, busy: map[string]bool{}, graces: map[persist.Hash]int64{},
		born: rec.ExpiresAt, floorExp: rec.ExpiresAt, deadline: rec.Deadline,
	}
	m.sessions = append(m.sessions, x)
}

// replaced notes what a create says of the session that it replaces.
func (m *sim) replaced(c *simClient, err error) {
	for _, x := range c.targets {
		x.leaving--
		x.doomed = x.doomed || err == nil || errors.Is(err, persist.ErrUnknown)
	}
	if err == nil {
		m.ackEnd(c.targets, nil)
	}
}

// mayEnd reports whether something that may end x has begun, and was not in vain.
func (x *simSession) mayEnd() bool { return x.doomed || x.leaving > 0 }

func (m *sim) ackAccess(x *simSession, resp response) {
	if resp.err == nil {
		x.floorExp = max(x.floorExp, resp.view.end())
		if resp.view.end() > x.deadline {
			m.failf("expiry %d passes the deadline %d (I6)", resp.view.end(), x.deadline)
		}
	}
}

func (m *sim) ackRotate(c *simClient, resp response) {
	x := c.sess
	x.rotating--
	if c.grace {
		x.gracing--
	}
	if c.named && c.grace && c.live != x.tokens[len(x.tokens)-1] {
		c.reissue = true // it has waited for long
	}
	_, refused := errors.AsType[*RotatedError](resp.err)
	if n := len(x.tokens); resp.err == nil && c.grace && n > 1 && c.live == x.tokens[n-2] && resp.view.Previous == c.live {
		c.reissue = true // it has waited for so long that the successor of its token counted as lost
	}
	switch {
	case c.due && refused && !x.hinted && x.changes == c.changes:
		m.failf("the lost successor of a token is not replaced")
	case resp.err == nil && c.reissue:
		m.reissues++
		x.tokens = slices.DeleteFunc(x.tokens, func(h persist.Hash) bool { return h == c.live })
		x.tokens = append(x.tokens, c.live, c.token) // the lost one is long dead
		clear(x.graces)
		x.graces[c.live] = persist.Unseen
		x.hinted, x.lost, x.phantom, x.turned = false, false, false, m.now
	case resp.err == nil:
		clear(x.graces)
		x.hinted, x.turned = false, m.now
		x.phantom = c.grace && x.lost
		if c.grace && !x.lost { // else it replaced one that nobody has
			x.graces[x.tokens[len(x.tokens)-1]] = persist.Unseen
		}
		x.tokens, x.lost = append(x.tokens, c.token), false
	case errors.Is(resp.err, ErrInGrace) && (!c.grace || len(x.graces)+x.gracing == 0 && !x.unsure && !x.phantom):
		m.failf("a rotation was refused for a grace that nobody has")
	case errors.Is(resp.err, persist.ErrUnknown) && c.reissue: // the token before is good, and the one after it dead
		x.lost = true
	case errors.Is(resp.err, persist.ErrUnknown) && c.grace: // the old token is good either way
		x.graces[x.tokens[len(x.tokens)-1]] = persist.Unseen
		x.phantom = x.phantom || x.lost
	case errors.Is(resp.err, persist.ErrUnknown):
		x.lost = true
		clear(x.graces) // nothing opens it
		x.watches = nil // and they were told
	}
}

// ackEnd notes an acknowledged end: refused from now on, and durable without an error.
func (m *sim) ackEnd(targets []*simSession, err error) {
	if err != nil && !errors.Is(err, ErrNotDurable) {
		return
	}
	for _, x := range targets {
		x.ended = true
		x.durable = x.durable || err == nil
		m.lookFor(x, len(x.tokens)-1)
		for _, w := range x.watches {
			if !over(w) {
				m.failf("somebody who watches session %x was not told of its end", x.id[14:])
			}
		}
	}
}

func over(w chan struct{}) bool {
	select {
	case <-w:
		return true
	default:
		return false
	}
}

// checkRead holds a read against what was promised when it began.
func (m *sim) checkRead(c *simClient, resp response) {
	x := c.sess
	ok := resp.err == nil && resp.view.ActiveAt(m.now)
	if ok && c.what != "read id" && resp.view.Rotation != nil && resp.view.Previous == c.token && m.now >= resp.view.Until {
		ok, resp.err = false, persist.ErrNotFound // as ReadByToken decides
	}
	if resp.err == nil && c.dead && (ok || c.what == "read id") {
		m.failf("%s found session %x, which is over or whose token was replaced (I1, I2)", c.what, x.id[14:])
	}
	if ok && m.now >= x.deadline {
		m.failf("read found a session past its deadline")
	}
	current := c.token == x.tokens[len(x.tokens)-1] // the grace of the one before may have ended
	if !ok && c.alive && (current || !x.hinted) && !x.mayEnd() && x.changes == c.changes && m.now < x.floorExp && isMissing(resp.err) {
		m.failf("read lost a live session: %v", resp.err)
	}
	if ok {
		m.checkValues(x, resp.view, c.floors[x], c.what)
	}
}

func isMissing(err error) bool { return err == nil || errors.Is(err, persist.ErrNotFound) }

func (m *sim) checkValues(x *simSession, v *View, floor map[string]int, what string) {
	for k, want := range floor {
		got := 0
		if raw, ok, err := v.Doc.Get(k); err == nil && ok {
			_, _ = fmt.Sscan(string(raw), &got)
		}
		if got < want {
			m.failf("%s shows %s=%d of session %x, acknowledged was %d", what, k, got, x.id[14:], want)
		}
	}
}

// beginList lists the sessions of a user, or searches for them among all.
func (m *sim) beginList(c *simClient, user string) {
	if len(m.sessions)%3 > 0 { // no draw: runs stay as they were
		m.start(c, m.h.list(user))
		return
	}
	c.what = "search"
	m.start(c, m.h.search(persist.Query{User: persist.UserKey{ID: user}, Limit: 1 + m.rng.IntN(50)}))
}

func (m *sim) checkList(c *simClient, resp response) {
	if resp.err != nil {
		return
	}
	seen := map[persist.ID]*View{}
	for _, v := range resp.views {
		seen[v.ID] = v
	}
	for x, floor := range c.floors {
		v := seen[x.id]
		if v != nil && c.over[x] {
			m.failf("list shows session %x that is over (I1)", x.id[14:])
		}
		if v == nil && resp.next == 0 && !x.mayEnd() && m.now < x.floorExp {
			m.failf("list misses live session %x", x.id[14:])
		}
		if v != nil {
			m.checkValues(x, v, floor, "list")
		}
	}
}

// left notes what the state told a caller who gave up.
func (m *sim) left(c *simClient, state error) {
	switch {
	case errors.Is(state, ErrNotDurable):
		m.logf("%s was taken", c.what)
		targets := c.targets
		if c.what == "destroy" {
			targets = []*simSession{c.sess}
		}
		m.ackEnd(targets, state)
	case c.what == "create" && state == nil: // nothing was done
		m.replaced(c, context.Canceled)
		m.ghosts = append(m.ghosts, c.created().ID)
	case state != nil:
		m.gaveUp(c)
	case c.what == "rotate": // nothing was done
		c.sess.rotating--
		if c.grace {
			c.sess.gracing--
		}
	default:
		m.gaveUp(c)
	}
}

// gaveUp notes what is uncertain when a caller goes without an answer.
func (m *sim) gaveUp(c *simClient) {
	switch c.what {
	case "create":
		m.replaced(c, persist.ErrUnknown)
		m.ghosts = append(m.ghosts, c.created().ID)
	case "rotate":
		c.sess.rotating--
		if c.grace {
			c.sess.gracing--
			c.sess.graces[c.live] = persist.Unseen
		} else {
			c.sess.watches = nil // if it is unknown, they are told
		}
		c.sess.unsure = true
	case "update":
		delete(c.sess.busy, c.key)
	}
}

// afterCrash holds the disk to what had been promised as durable, and forgets
// what had not.
func (m *sim) afterCrash() {
	for _, id := range m.ghosts { // their clean-up may not have come to the disk
		m.strays[id] = true
	}
	for _, x := range m.sessions {
		rec, err := m.disk.ByID(m.t.Context(), x.id)
		switch {
		case err != nil && !x.doomed && m.now < x.floorExp && m.now < x.born:
			m.failf("an acknowledged session is not on disk after a crash (I3): %v", err)
		case err == nil && x.ended && x.durable:
			m.failf("a destroyed session is on disk after a crash (I1)")
		case err == nil:
			m.checkStored(x, rec)
		}
		x.ended = x.durable || err != nil
		x.values = maps.Clone(x.stored)
		x.busy = map[string]bool{}
		x.floorExp, x.rotating, x.gracing, x.lost, x.watches = x.born, 0, 0, false, nil
		if err == nil {
			x.unsure = rec.Hash != x.tokens[len(x.tokens)-1]
			clear(x.graces)
			if rec.Rotation != nil && m.now < rec.Until {
				x.graces[rec.Previous] = rec.Until
			}
		}
	}
}

// checkStored holds a row to the promises about it.
func (m *sim) checkStored(x *simSession, rec persist.Record) {
	m.checkValues(x, viewOf(rec), x.stored, "disk")
	for _, old := range x.tokens[:len(x.tokens)-1] {
		if rec.Hash == old {
			m.failf("a replaced token is live on disk (I2)")
		}
	}
	known := rec.Hash == x.tokens[len(x.tokens)-1] && !x.unsure && !x.lost && x.gracing == 0
	if known && len(x.graces) == 0 && rec.Rotation != nil && m.now < rec.Until && slices.Contains(x.tokens, rec.Previous) {
		m.failf("session %x: a token that was replaced without a grace has one on disk (I2)", x.id[14:])
	}
	if rec.ExpiresAt > rec.Deadline {
		m.failf("expiry on disk is after the deadline (I6)")
	}
}

// afterAll compares disk and promises when everything has come to rest.
func (m *sim) afterAll() {
	known := map[persist.ID]*simSession{}
	for _, x := range m.sessions {
		known[x.id] = x
		rec, err := m.disk.ByID(m.t.Context(), x.id)
		switch {
		case err == nil && x.ended:
			m.failf("a destroyed session is still on disk at the end (I1)")
		case err != nil && !x.doomed && m.now < x.floorExp:
			m.failf("a live session is not on disk at the end (I3)")
		case err != nil && m.c.watched.byID[x.id] != nil:
			m.failf("session %x is not on disk, and a watcher was not told of its end", x.id[14:])
		case err == nil:
			m.checkValues(x, viewOf(rec), x.values, "disk at the end")
			m.checkWatches(x)
			m.checkStored(x, rec)
		}
	}
	for u := range simUsers {
		l, err := m.disk.ByUser(m.t.Context(), persist.UserKey{ID: fmt.Sprintf("u%d", u)})
		if err != nil {
			m.t.Fatal(err)
		}
		for _, rec := range l.Records {
			if known[rec.ID] == nil && !m.strays[rec.ID] {
				m.failf("session %x that nobody was told of is on disk", rec.ID[14:])
			}
		}
	}
	if n := m.c.tombstones.len(); n > 0 && m.c.loads.order.Len() == 0 {
		m.failf("%d tombstones are left at rest (I8)", n)
	}
	if m.c.queue.Len()+len(m.c.queue.near)+len(m.c.requeued)+len(m.c.rotations) > 0 || m.c.hot.Pinned() != len(m.c.watched.byID) {
		m.failf("%d changes, %d places, %d to put back, %d pinned and %d watched are left at rest (I8)",
			m.c.queue.Len(), len(m.c.queue.near), len(m.c.requeued), m.c.hot.Pinned(), len(m.c.watched.byID))
	}
}

// checkWatches makes sure that nobody was told of the end of a session that lives.
func (m *sim) checkWatches(x *simSession) {
	for _, w := range x.watches {
		if over(w) && !x.doomed && !x.lost && !x.unsure && m.now < x.floorExp {
			m.failf("session %x lives, and a watcher was told of its end", x.id[14:])
		}
	}
}

// created is the record of a create.
func (c *simClient) created() *persist.Record { return c.cmd.(*createCommand).record }

// wiped is the user of a log-out.
func (c *simClient) wiped() string { return c.cmd.(*destroyUserCommand).user.ID }
