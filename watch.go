package sessile

import (
	"context"
	"errors"

	"github.com/sessile/sessile/persist"
)

// Done returns a channel that is closed when the session ends in this process:
// destroyed, expired, evicted over the limit, put out of reach by a rotation
// whose outcome is unknown, or the store closed. It is closed already if there
// is no such session, or if it cannot be read. The interest ends with ctx; then the channel never closes.
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
