package actor

import (
	"context"
	"time"

	"github.com/sessile/sessile/persist"
)

// A backend that nobody else should write to is looked at now and then, for those who do
// so all the same. Where the store is not used nobody looks: memory is not trusted then,
// and the first call after the rest has the backend looked at. Until that is done calls
// read the disk.
const lookEvery = time.Second // what others did is noticed so soon

// lookCommand tells the loop that the backend was looked at, and asks whether to go on. It is
// passive: else the looks themselves would count as use, and the store would never rest.
type lookCommand struct {
	call
	hits  uint64 // reads that memory answered without the loop
	again bool   // the backend wants to be looked at again
	rest  bool   // the answer: until the loop says so, there is no need
}

// run counts looks between which nothing was used: no call, no read that memory answered,
// nothing on its way to the disk, and nobody who watches. After restAfter of them the lease
// ends, so that whoever comes next has the backend looked at before memory is believed.
func (x *lookCommand) run(c *core) {
	u := &c.use
	if u.looks++; x.again || !c.idle() || len(c.watched.byID) > 0 || u.calls > 0 || x.hits != u.hits {
		u.looks = 0
	}
	u.calls, u.hits = 0, x.hits
	x.rest = u.resting()
	switch {
	case !c.exclusive:
	case x.rest:
		c.lease = 0
	default:
		c.lease = forever
	}
	c.answer(&x.call, nil)
}

// lookAtBackend looks until ctx ends: every second, or after a rest when it is woken. A
// backend that cannot be looked at needs none of this.
func (a *Actor) lookAtBackend(ctx context.Context) {
	l, ok := a.backend.(persist.Looker)
	if !ok {
		return
	}
	for pause(ctx, lookEvery) {
		for a.look(ctx, l) {
			select {
			case <-a.waking:
			case <-ctx.Done():
				return
			}
		}
	}
}

// look looks once, and reports whether to rest. What the backend finds reaches the loop
// before the lookCommand does, by the same channel.
func (a *Actor) look(ctx context.Context, l persist.Looker) bool {
	again := l.Look(sink{a: a})
	x := fresh[lookCommand](&a.pools.look)
	x.hits, x.again, x.passive = a.Hits(), again, true
	err := a.call(ctx, a.inbox, x)
	rest := x.rest
	x.recycle()
	return err == nil && rest
}
