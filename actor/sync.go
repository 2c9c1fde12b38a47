package actor

import "context"

// syncCommand waits until everything that was accepted before it is on disk.
type syncCommand struct{ call }

// Sync returns nil when everything accepted before is on disk, acknowledged or not. It fails if
// one of those changes was given up, or if the store's file was taken away. Other failures of
// the disk it waits through. A change whose caller was told that nothing was done does not count.
// Errors: those, ErrClosed, the context's.
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
