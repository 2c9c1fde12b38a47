package actor

import (
	"context"

	"github.com/sessile/sessile/persist"
)

// readCommand reads a session by its token, where neither memory nor an optimistic read
// had an answer.
type readCommand struct {
	call
	token   persist.TokenKey
	through bool // by way of the database, whatever memory has
}

// Find finds a session by its token's hash, in memory or on disk, expired ones
// too. A view may be found by the token before: the caller must compare View.Previous and
// Until. A token that was replaced is a *RotatedError. Errors: persist.ErrNotFound,
// ErrOverloaded, ErrClosed, the backend's, the context's.
func (a *Actor) Find(ctx context.Context, k persist.TokenKey) (*View, error) {
	if v, ok, err := a.optimistic(ctx, k); ok {
		return v, err
	}
	x := fresh[readCommand](&a.pools.read)
	x.token = k
	return a.view(ctx, a.inbox, x)
}

// Verify is Find by way of the database: it sees what any node has committed before the call.
// Where nobody else writes it is Find.
func (a *Actor) Verify(ctx context.Context, k persist.TokenKey) (*View, error) {
	x := fresh[readCommand](&a.pools.read)
	x.token, x.through = k, !a.cfg.Exclusive
	return a.view(ctx, a.inbox, x)
}

// run looks again in memory: the session may have come since the caller looked. Then a
// tombstone answers, which is cheaper than the disk and knows more: a token that was just
// replaced is not on disk any more.
func (x *readCommand) run(c *core) {
	if e := c.hot.ByKey(x.token.Hash); e != nil && c.trusted() && c.usable(e) && !x.through {
		c.answer(&x.call, e.Value())
		return
	}
	if err := c.tombstones.refused(x.token.Hash); err != nil {
		c.fail(&x.call, err)
		return
	}
	c.startLoad(&x.call, &load{kind: byToken, token: x.token, through: x.through})
}

func (x *readCommand) with(c *core, e *entry) { x.from(c, e.Value(), e.Key()) }

// from answers with a session that has the token, or had it: within its grace, or not any
// more. A row that a load found by the old token is of the same session with another token,
// where a rotation came between.
func (x *readCommand) from(c *core, v *View, hash persist.Hash) {
	previous := v.Rotation != nil && v.Previous == x.token.Hash
	if x.token.Hash == hash || previous && c.now < v.Until {
		c.answer(&x.call, v)
		return
	}
	at := c.now
	if v.Rotation != nil {
		at = v.At
	}
	c.fail(&x.call, &RotatedError{ID: v.ID, At: at})
}

// readIDCommand reads a session by its ID.
type readIDCommand struct {
	sessionCall
}

// Read finds a session by id, expired ones too.
func (a *Actor) Read(ctx context.Context, id persist.ID) (*View, error) {
	x := fresh[readIDCommand](&a.pools.readID)
	x.id = id
	return a.view(ctx, a.inbox, x)
}

func (x *readIDCommand) with(c *core, e *entry) {
	if len(c.watched.unread) > 0 && c.watched.unread[x.id] != nil { // memory is trusted again
		c.watchEntry(c.watched.unread[x.id], e)
	}
	c.answer(&x.call, e.Value())
}

func (x *readIDCommand) from(c *core, v *View, _ persist.Hash) { c.answer(&x.call, v) }

// listCommand lists the sessions of a user. Its load is not shared and installs nothing: a
// list of many would push what others use out of memory.
type listCommand struct {
	call
	user       persist.UserKey
	views      []*View
	unreadable int
}

// List returns a user's active sessions in no particular order, with what is not
// on disk yet, and how many rows could not be read.
func (a *Actor) List(ctx context.Context, u persist.UserKey) ([]*View, int, error) {
	x := fresh[listCommand](&a.pools.list)
	x.user = u
	err := a.call(ctx, a.inbox, x)
	views, unreadable := x.views, x.unreadable
	x.recycle()
	return views, unreadable, err
}

// run has the disk asked always: memory does not know whether it has all sessions of a user.
func (x *listCommand) run(c *core) { c.startLoad(&x.call, &load{kind: byUser, user: x.user}) }

// listed answers with what the disk has, less what is over, in the version that memory has.
// If a single row may be outdated, all are read again: an answer must be of one moment.
func (x *listCommand) listed(c *core, m *loaded) {
	views, current := c.merge(m)
	switch {
	case m.err != nil:
		c.fail(&x.call, m.err)
	case !current:
		x.run(c)
	default:
		x.views, x.unreadable = views, m.listing.Unreadable
		c.answer(&x.call, nil)
	}
}

// merge returns the active sessions of rows that were just read: those that are over are left
// out, and those that memory has are as memory has them. Nothing is put into memory. current
// is false if a row may be outdated.
func (c *core) merge(m *loaded) (views []*View, current bool) {
	views = make([]*View, 0, len(m.listing.Records))
	for _, r := range m.listing.Records {
		r = c.tombstones.redirect(r)
		v, _ := c.readRow(r)
		switch c.decide(m.load, r) {
		case refuse:
			continue
		case readAgain:
			return nil, false
		case useMemory:
			v = c.remembered(r).Value()
		}
		if v.ActiveAt(c.now) {
			views = append(views, v)
		}
	}
	c.stats.Unreadable += uint64(m.listing.Unreadable)
	return views, true
}
