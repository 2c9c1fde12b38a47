package actor

import (
	"time"

	"github.com/sessile/sessile/persist"
)

// What a backend's Watch tells of other nodes, and of others who write the store.
type (
	reset      struct{ reason string }
	invalidate struct{ events []persist.Event }
	renew      struct{ age time.Duration }
)

// handle drops everything that is not on its way to the disk, and what is as soon as it is
// there: hot.Clear leaves pinned entries until they are let go. Loads and creates that are
// under way may be outdated, and are not installed. Watched sessions are read again. Where
// others write too, memory is not trusted until the backend says that it is fresh.
func (m reset) handle(c *core) {
	c.epochChanges++
	c.hot.Clear()
	c.loads.markStale()
	c.markBatchStale()
	c.rereadWatched()
	if !c.exclusive {
		c.lease = 0
	}
	c.event(Event{Kind: EventCacheReset, Reason: m.reason})
}

// handle drops what another node has changed, its unwritten changes too: theirs is on disk,
// and ours would be refused with a conflict. A row that is being read may be from before that
// change.
func (m invalidate) handle(c *core) {
	for _, ev := range m.events {
		switch ev.Kind {
		case persist.EventSessionChanged:
			if e := c.hot.ByID(ev.ID); e != nil {
				c.drop(e, ErrConflict)
			}
		case persist.EventUserChanged:
			for e := range c.hot.ByUser(ev.UserID) {
				if e.ID() != ev.Except {
					c.drop(e, ErrConflict)
				}
			}
		}
	}
	c.loads.markStale()
	c.markBatchStale()
}

// markBatchStale notes that another node may have changed what the batch in flight creates.
// Its sessions are answered, and not put into memory.
func (c *core) markBatchStale() {
	if c.inFlight != nil {
		c.inFlight.stale = true
	}
}

// handle renews the lease: everything older than age has been delivered. A lease never gets
// shorter by that: news may come out of order.
func (m renew) handle(c *core) {
	if !c.exclusive {
		c.lease = max(c.lease, c.now-m.age.Microseconds()+c.cfg.Lease.Microseconds())
	}
}
