package actor

import (
	"context"

	"github.com/sessile/sessile/persist"
)

// listCommand lists the sessions of a user.
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

func (x *listCommand) run(c *core) { c.startLoad(&x.call, &load{kind: byUser, user: x.user}) }

// listed answers with what the disk has, less what is over, in the version that memory has.
func (x *listCommand) listed(c *core, m *loaded) {
	if m.err != nil {
		c.fail(&x.call, m.err)
		return
	}
	views := make([]*View, 0, len(m.listing.Records))
	for _, r := range m.listing.Records {
		r = c.tombstones.redirect(r)
		v, _ := c.cfg.read(r, c.now)
		switch c.decide(m.load, r) {
		case refuse:
			continue
		case readAgain:
			x.run(c)
			return
		case useMemory:
			v = c.hot.ByID(r.ID).Value()
		}
		if v.ActiveAt(c.now) {
			views = append(views, v)
		}
	}
	c.stats.Unreadable += uint64(m.listing.Unreadable)
	x.views, x.unreadable = views, m.listing.Unreadable
	c.answer(&x.call, nil)
}
