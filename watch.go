package sessile

import (
	"context"
	"errors"

	"github.com/sessile/sessile/persist"
)

// Done returns a channel that is closed when the session ends in this process. A session ends if it
// is destroyed, expires or is evicted, if a rotation with an unknown outcome leaves it without a
// token, or if the store closes. The channel is closed already if the session does not exist or
// cannot be read. The store stops watching when ctx ends, so the channel may stay open after that.
// [Store.EndReason] says why the session has ended.
func (s *Store) Done(ctx context.Context, id ID) <-chan struct{} {
	done, err := s.actor.Done(ctx, persist.ID(id))
	if err == nil {
		return done
	}
	ended := make(chan struct{})
	if ctx.Err() == nil || errors.Is(err, ErrNotFound) || errors.Is(err, ErrClosed) {
		close(ended)
	}
	return ended
}
