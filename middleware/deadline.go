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
	from   time.Time // monotonic
}

// next returns a context that ends in patience, or up to an eighth of it later. It
// does not ask the store's clock, which stands still while the wall clock is set
// back: a context that has ended would be handed out all that time.
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
