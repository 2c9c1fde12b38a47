package sessile

import (
	"context"
	"fmt"

	"github.com/sessile/sessile/persist"
)

// Destroy ends a session. Memory refuses it at once, or, if the session is not in memory
// while the deletions that wait for the disk are at their bound, as soon as there is room.
// Its deletion is on disk (fsync) when Destroy returns nil. Destroying an unknown ID is not
// an error.
//
// [ErrNotDurable] means: the session is refused from now on in this process, and its
// deletion is retried until it is on disk or [Store.Close] gives up; then Close says so,
// and the session may be back after a restart. It wraps its cause, which may be a full
// disk, the end of ctx or [ErrClosed]. ErrClosed or ctx's error without ErrNotDurable
// means that nothing was done.
func (s *Store) Destroy(ctx context.Context, id ID) error {
	if s.closed.Load() {
		return ErrClosed
	}
	if err := s.actor.Destroy(ctx, persist.ID(id)); err != nil {
		return fmt.Errorf("destroying session %s: %w", id, err)
	}
	return nil
}

// DestroyForUser is [Store.Destroy] for a session that must be userID's. It returns
// [ErrNotFound] if the session does not exist or belongs to another user.
func (s *Store) DestroyForUser(ctx context.Context, userID string, id ID) error {
	if err := s.ready(userID); err != nil {
		return err
	}
	if err := s.actor.DestroyOwned(ctx, s.userKey(userID), persist.ID(id)); err != nil {
		return fmt.Errorf("destroying session %s: %w", id, err)
	}
	return nil
}

// DestroyAllForUser ends every session of a user: hot, cold, with unwritten
// changes, being loaded or being created. It returns how many were stored. Memory refuses
// all of them at once; the disk deletes very many in pieces, between which others commit.
// If the process ends before it has returned, some of them may be back after a restart.
// Durable, and [ErrNotDurable] after a failed write, like [Store.Destroy].
func (s *Store) DestroyAllForUser(ctx context.Context, userID string) (int, error) {
	return s.destroyUser(ctx, userID, persist.ID{})
}

// DestroyAllExcept is "log out other devices": every session of the user but
// keep, which must be an active session of that user; otherwise the result is
// [ErrNotFound] and nothing is destroyed. Durable like [Store.Destroy].
func (s *Store) DestroyAllExcept(ctx context.Context, userID string, keep ID) (int, error) {
	if keep.IsZero() {
		return 0, ErrNotFound
	}
	return s.destroyUser(ctx, userID, persist.ID(keep))
}

func (s *Store) destroyUser(ctx context.Context, userID string, keep persist.ID) (int, error) {
	if err := s.ready(userID); err != nil {
		return 0, err
	}
	n, err := s.actor.DestroyUser(ctx, s.userKey(userID), keep)
	if err != nil {
		return n, fmt.Errorf("destroying sessions of a user: %w", err)
	}
	return n, nil
}
