package harness

import (
	"slices"

	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/persisttest"
	"github.com/sessile/sessile/persist/sqlite"
)

// The following backends are broken on purpose, so that a harness can show that it detects it.

// Broken returns a backend that runs hooks around the calls of db.
func Broken(db *sqlite.DB, hooks persisttest.Hooks) persist.Backend {
	return persisttest.HookedFile{Hooked: persisttest.Hook(db, hooks)}
}

// EarlyDestroys returns a backend that acknowledges destroys before it commits them. It commits them
// with the next batch.
func EarlyDestroys(db *sqlite.DB) persist.Backend {
	var ops, held, deferred []persist.Op // ops of the call; destroys of the previous batch; destroys of this batch
	return Broken(db, persisttest.Hooks{
		Before: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
			batch := *c.Batch
			ops, batch.Ops, deferred = batch.Ops, slices.Clone(held), nil
			for _, op := range ops {
				if op.Kind == persist.OpDestroy {
					deferred = append(deferred, op)
				} else {
					batch.Ops = append(batch.Ops, op)
				}
			}
			c.Batch = &batch
		}),
		After: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
			if c.Err != nil {
				return
			}
			done := c.Result.Ops[len(held):]
			c.Result.Ops = nil
			for _, op := range ops {
				if op.Kind == persist.OpDestroy {
					c.Result.Ops = append(c.Result.Ops, persist.Outcome{Status: persist.StatusApplied})
					continue
				}
				c.Result.Ops, done = append(c.Result.Ops, done[0]), done[1:]
			}
			held = deferred
		}),
	})
}

// GracefulRotations returns a backend that gives every rotation a grace period, so that the old token
// stays valid.
func GracefulRotations(db *sqlite.DB) persist.Backend {
	return Broken(db, persisttest.Hooks{Before: persisttest.On(persisttest.Apply, func(c *persisttest.Call) {
		batch := *c.Batch
		batch.Ops = slices.Clone(batch.Ops)
		for i := range batch.Ops {
			if batch.Ops[i].Kind == persist.OpRotate {
				batch.Ops[i].Until = persist.Unseen
			}
		}
		c.Batch = &batch
	})})
}
