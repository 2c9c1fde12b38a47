package middleware

import (
	"context"
	"sync/atomic"
	"time"
)

// deadline hands out contexts that end some time from now and are shared by the
// requests of a while: a context with a timer of its own would cost a write more
// than the message to the store does (measured).
type deadline struct {
	patience time.Duration
	current  atomic.Pointer[term]
}

// term is a context and when it began. Only its end ends it.
type term struct {
	ctx    context.Context //nolint:containedctx // what is shared
	cancel context.CancelFunc
	from   time.Time
}

// at returns a context that ends within patience of now, or up to an eighth of it later.
func (d *deadline) at(now time.Time) context.Context {
	c := d.current.Load()
	if c != nil && now.Sub(c.from) < d.patience/8 && !now.Before(c.from) {
		return c.ctx
	}
	ctx, cancel := context.WithTimeout(context.Background(), d.patience+d.patience/8)
	if next := (&term{ctx, cancel, now}); d.current.CompareAndSwap(c, next) {
		return ctx
	}
	cancel()
	return d.current.Load().ctx
}
