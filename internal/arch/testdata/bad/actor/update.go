package actor

import (
	"context" // allowed: the public method of a command takes one
	"time"
)

type updateCommand struct{ done chan struct{} }

func (a *Actor) Update(ctx context.Context) {
	<-ctx.Done() // allowed
}

func (x *updateCommand) run(c *core) {
	x.done <- struct{}{}     // want loop-waits
	c.epoch.Swap(1)          // want core-publishes
	_ = time.NewTimer(1)     // want loop-waits
	_ = context.Background() // want loop-waits
}
