package harness

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/ledger"
)

// Update changes the data of the i-th session. If wait is set, the change is on disk when it returns.
func (c *Client) Update(i int, wait bool) {
	o := c.pick(i)
	if o == nil {
		return
	}
	c.n++
	n := ledger.Entry{Op: ledger.Update, IDs: []sessile.ID{o.id}, N: c.n, Wait: wait}
	update := c.Store.Update
	if wait {
		update = c.Store.UpdateDurable
	}
	c.change(o, n, func(ctx context.Context) error {
		_, err := update(ctx, o.id, new(sessile.Changes).Set("n", n.N))
		return err
	})
}

// Touch records an access to the i-th session.
func (c *Client) Touch(i int) {
	o := c.pick(i)
	if o == nil {
		return
	}
	now := c.now()
	c.change(o, ledger.Entry{Op: ledger.Touch, IDs: []sessile.ID{o.id}, N: now.UnixMicro()}, func(ctx context.Context) error {
		return c.Store.Touch(ctx, o.id, now, now.Add(time.Hour))
	})
}

func (c *Client) change(o *own, n ledger.Entry, f func(context.Context) error) {
	applied := false
	err := c.operate(n, func(ctx context.Context) error {
		err := f(ctx)
		applied = err == nil
		return c.expected(o, err)
	})
	c.lost(o, err)
	if n.User, n.Stage = c.User, ledger.Done; err == nil && applied {
		c.Record(n)
	}
}

// lost reports a session that must exist but was not found.
func (c *Client) lost(o *own, err error) {
	if errors.Is(err, sessile.ErrNotFound) && !o.unsure {
		c.report(ledger.Lost, "session %s is not found", o.id)
	}
}

// Rotate replaces the token of the i-th session.
func (c *Client) Rotate(i int, grace bool) {
	o := c.pick(i)
	if o == nil {
		return
	}
	var t sessile.Token
	n := ledger.Entry{Op: ledger.Rotate, User: c.User, IDs: []sessile.ID{o.id}, Grace: grace, Stage: ledger.Begun}
	c.Record(n)
	err := c.call("rotate", func(ctx context.Context) (err error) {
		_, t, err = c.Store.Rotate(ctx, o.id, sessile.Rotation{Grace: grace})
		if grace && errors.Is(err, sessile.ErrInGrace) {
			return nil
		}
		return c.expected(o, err)
	})
	c.lost(o, err)
	switch n.Stage = ledger.StageOf(err); {
	case err == nil && t.IsZero(): // not found, which is allowed, or the rotation has a grace
		n.Stage = ledger.Refused
	case err == nil:
		n.Token = t
		o.before = sessile.Token{}
		if !grace {
			c.gone = append(c.gone, dead{o.token, true})
		} else if !o.unsure {
			o.before, o.turned = o.token, c.Store.Now()
		}
		o.token, o.unsure = t, false
	case n.Stage == ledger.Unknown && grace: // the old token is valid in either case
	case n.Stage == ledger.Unknown && !errors.Is(err, context.DeadlineExceeded): // the old token is dead in either case
		n.Stage = ledger.Dead
		o.unsure = true
		c.refused(o.token)
	case n.Stage == ledger.Unknown:
		o.unsure = true
	}
	c.Record(n)
}

// Reissue replaces a token that was never presented, by rotating from the token before it. It
// uses the i-th such session, or a later one.
func (c *Client) Reissue(i int) {
	o := c.unseen(i)
	if o == nil || c.Store.Now().Sub(o.turned) < time.Minute {
		return
	}
	var t sessile.Token
	n := ledger.Entry{Op: ledger.Rotate, User: c.User, IDs: []sessile.ID{o.id}, Grace: true, Lost: true, Stage: ledger.Begun}
	c.Record(n)
	err := c.call("reissue", func(ctx context.Context) (err error) {
		_, t, err = c.Store.Rotate(ctx, o.id, sessile.Rotation{From: o.before, Grace: true})
		if _, seen := errors.AsType[*sessile.RotatedError](err); seen { // somebody else has presented it
			return nil
		}
		return err
	})
	c.lost(o, err)
	switch n.Stage = ledger.StageOf(err); {
	case err == nil && t.IsZero():
		n.Stage, o.before = ledger.Refused, sessile.Token{}
	case err == nil:
		n.Token = t
		c.gone = append(c.gone, dead{o.token, true})
		o.token, o.turned = t, c.Store.Now()
	case n.Stage == ledger.Unknown: // the previous token is valid in either case
		o.unsure = true
	}
	c.Record(n)
}

// unseen returns a session whose current token was never presented, or nil.
func (c *Client) unseen(i int) *own {
	for n := range c.live {
		if o := c.pick(i + n); !o.unsure && !o.before.IsZero() {
			return o
		}
	}
	return nil
}

// Destroy ends the i-th session. It is refused from then on, even after an error.
func (c *Client) Destroy(i int) {
	o := c.pick(i)
	if o == nil {
		return
	}
	c.destroy([]sessile.ID{o.id}, func(ctx context.Context) error { return c.Store.Destroy(ctx, o.id) })
}

// DestroyAll ends all sessions.
func (c *Client) DestroyAll() {
	c.destroy(c.ids(sessile.ID{}), func(ctx context.Context) error {
		_, err := c.Store.DestroyAllForUser(ctx, c.User)
		return err
	})
}

// DestroyOthers ends all sessions except the i-th.
func (c *Client) DestroyOthers(i int) {
	o := c.pick(i)
	if o == nil || o.unsure {
		return
	}
	c.destroy(c.ids(o.id), func(ctx context.Context) error {
		_, err := c.Store.DestroyAllExcept(ctx, c.User, o.id)
		c.lost(o, err)
		return err
	})
}

func (c *Client) ids(but sessile.ID) []sessile.ID {
	ids := slices.Clone(c.short)
	for _, o := range c.live {
		ids = append(ids, o.id)
	}
	return slices.DeleteFunc(ids, func(id sessile.ID) bool { return id == but })
}

func (c *Client) destroy(ids []sessile.ID, f func(context.Context) error) {
	var tokens []sessile.Token
	for _, o := range c.live {
		if slices.Contains(ids, o.id) {
			tokens = append(tokens, o.token)
		}
	}
	n := ledger.Entry{Op: ledger.Destroy, IDs: ids}
	err := c.operate(n, f)
	if ledger.StageOf(err) == ledger.Refused {
		return
	}
	c.forget(ids, err == nil)
	for _, t := range tokens {
		c.refused(t)
	}
	if n.User, n.Stage = c.User, ledger.Done; err == nil {
		c.Record(n)
	}
}

// Expire waits until short-lived sessions have ended, then runs a clean-up.
func (c *Client) Expire(d time.Duration) {
	<-time.After(d)
	c.Record(ledger.Entry{Op: ledger.Expire, Stage: ledger.Done, User: c.User, IDs: c.short})
	c.short = nil
	_ = c.call("clean-up", func(ctx context.Context) error {
		_, err := c.Store.CleanupExpired(ctx)
		return err
	})
}

// Sync makes everything durable.
func (c *Client) Sync() error {
	n := ledger.Entry{Op: ledger.Sync}
	err := c.operate(n, c.Store.Sync)
	if n.User, n.Stage = c.User, ledger.Done; err == nil {
		c.Record(n)
	}
	return err
}

// Backup copies the store to path. It reports whether that succeeded.
func (c *Client) Backup(path string) bool {
	return c.call("backup", func(ctx context.Context) error { return c.Store.Backup(ctx, path) }) == nil
}
