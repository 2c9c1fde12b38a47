package sessile

import (
	"context"
	"errors"

	"github.com/sessile/sessile/persist"
)

// Done returns a channel that is closed when the session ends in this process. A session ends
// if it is destroyed, expires or is evicted by the limit, if a rotation with an unknown
// outcome leaves it without a token, or if the store closes. The channel is already closed if
// the session does not exist or cannot be read. After ctx ends, the channel is never closed.
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
