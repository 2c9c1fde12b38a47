package middleware

import (
	"context"
	"sync/atomic"
	"time"
)

// deadline hands out contexts that end some time from now. Requests close in time share one,
// because a timer per request would cost a write more than its message to the store (measured).
type deadline struct {
	patience time.Duration
	current  atomic.Pointer[term]
}

// term is a shared context and its start. Only its timer ends it.
type term struct {
	ctx    context.Context //nolint:containedctx // the shared context
	cancel context.CancelFunc
	from   time.Time // monotonic
}

// next returns a context that ends after patience, or up to an eighth of it later. It does not use
// the store's clock. That clock may stand still while the wall clock is set back, and next would
// hand out an ended context all that time.
func (d *deadline) next() context.Context {
	now := time.Now()
	c := d.current.Load()
	if c != nil && now.Sub(c.from) < d.patience/8 {
		return c.ctx
	}
	ctx, cancel := context.WithTimeout(context.Background(), d.patience+d.patience/8)
	if d.current.CompareAndSwap(c, &term{ctx, cancel, now}) {
		return ctx
	}
	cancel()
	return d.current.Load().ctx
}
