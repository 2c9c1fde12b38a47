package actor

import "context"

// syncCommand waits until everything that was acknowledged is on disk.
type syncCommand struct{ call }

// Sync returns when every change acknowledged before is on disk.
func (a *Actor) Sync(ctx context.Context) error {
	_, err := a.view(ctx, a.inbox, fresh[syncCommand](&a.pools.sync))
	return err
}

// run waits behind the syncs that came before: of changes they cover the same or fewer.
func (x *syncCommand) run(c *core) {
	x.upTo = c.seq
	c.syncs.add(&x.call)
	c.passed = true
}
