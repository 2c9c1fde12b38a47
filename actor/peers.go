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
// there. Watched sessions are read again.
func (m reset) handle(c *core) {
	c.epochChanges++
	c.hot.Clear()
	c.loads.markStale()
	c.markBatchStale()
	c.rereadWatched()
	if !c.exclusive {
		c.lease = 0
	}
	c.event(Event{Kind: CacheReset, Reason: m.reason})
}

// handle drops what another node has changed, its unwritten touches too.
func (m invalidate) handle(c *core) {
	for _, ev := range m.events {
		switch ev.Kind {
		case persist.SessionChanged:
			if e := c.hot.ByID(ev.ID); e != nil {
				c.drop(e, ErrConflict)
			}
		case persist.UserChanged:
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

// markBatchStale notes that another node may have changed what the batch creates.
func (c *core) markBatchStale() {
	if c.inFlight != nil {
		c.inFlight.stale = true
	}
}

// handle renews the lease: everything older than age has been delivered.
func (m renew) handle(c *core) {
	if !c.exclusive {
		c.lease = max(c.lease, c.now-m.age.Microseconds()+c.cfg.Lease.Microseconds())
	}
}
