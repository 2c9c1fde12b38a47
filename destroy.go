package sessile

import (
	"context"
	"fmt"

	"github.com/sessile/sessile/persist"
)

// Destroy ends a session. The store refuses the session in memory at once. There is one exception:
// if the session is not in memory, and too many deletions wait for the disk, Destroy first waits
// for room. The deletion is on disk (fsync) when Destroy returns nil. Destroying an unknown ID is
// not an error.
//
// [ErrNotDurable] means that the session is refused in this process, but its deletion is not on
// disk yet. The store retries the deletion until it succeeds or [Store.Close] gives up. If Close
// gives up, it returns an error, and the session may be back after a restart. The error wraps its
// cause: a full disk, the end of ctx, or [ErrClosed].
//
// ErrClosed, or ctx's error, without ErrNotDurable means that nothing was done.
//
// The reason for the end is [EndLoggedOut], or the first one that is given.
func (s *Store) Destroy(ctx context.Context, id ID, reason ...EndReason) error {
	if s.closed.Load() {
		return ErrClosed
	}
	if err := s.actor.DestroyOwned(ctx, persist.UserKey{}, persist.ID(id), reasonOf(reason, EndLoggedOut)); err != nil {
		return fmt.Errorf("destroying session %s: %w", id, err)
	}
	return nil
}

// DestroyForUser is [Store.Destroy] for a session that must belong to userID. It returns
// [ErrNotFound] if the session does not exist or belongs to another user. The reason is
// [EndLoggedOutElsewhere], or the first one that is given.
func (s *Store) DestroyForUser(ctx context.Context, userID string, id ID, reason ...EndReason) error {
	if err := s.ready(userID); err != nil {
		return err
	}
	if err := s.actor.DestroyOwned(ctx, s.userKey(userID), persist.ID(id), reasonOf(reason, EndLoggedOutElsewhere)); err != nil {
		return fmt.Errorf("destroying session %s: %w", id, err)
	}
	return nil
}

// DestroyAllForUser ends every session of a user, including those that are being loaded or created.
// It returns how many were stored. All of them are refused in memory before it returns. The disk
// deletes a large number in several commits, with other commits between them. If the process ends
// before the call returns, some of them may be back after a restart. Durable, and [ErrNotDurable]
// after a failed write, like [Store.Destroy]. If memory has no session of the user, the exception of
// Destroy applies: the call may first wait for room. The reason is [EndLoggedOutElsewhere], or the
// first one that is given.
func (s *Store) DestroyAllForUser(ctx context.Context, userID string, reason ...EndReason) (int, error) {
	return s.destroyUser(ctx, userID, persist.ID{}, reason)
}

// DestroyAllExcept ends every session of the user except keep ("log out other devices") and returns
// how many. keep must be an active session of that user; otherwise it returns [ErrNotFound] and
// ends nothing. Durable like [Store.Destroy]. The reason is [EndLoggedOutElsewhere], or the first one
// that is given.
func (s *Store) DestroyAllExcept(ctx context.Context, userID string, keep ID, reason ...EndReason) (int, error) {
	if keep.IsZero() {
		return 0, ErrNotFound
	}
	return s.destroyUser(ctx, userID, persist.ID(keep), reason)
}

// DestroyAll ends every session of the store, those of guests too, and returns how many were stored.
// This process refuses them in memory before it returns, whatever the error. The disk deletes them
// in many commits, with other commits between them: all of that is done when DestroyAll returns
// nil. That leaves half of the disk to others, so a million sessions take minutes.
//
// Sessions that begin after the call are not meant. One whose [Store.Create] has not returned when
// DestroyAll is called may survive. Other nodes refuse a session when it is deleted from the
// database. A row that cannot be read opens no session, and stays.
//
// [ErrNotDurable] means that this process refuses the sessions, and that some of them are not
// deleted yet. The store goes on deleting until it has succeeded, or until [Store.Close], which then
// returns an error: the sessions that are left may be back after a restart. The error wraps its
// cause. Any other error means that nothing was done. The reason is [EndRevoked], or the first one that
// is given.
func (s *Store) DestroyAll(ctx context.Context, reason ...EndReason) (int, error) {
	if s.closed.Load() {
		return 0, ErrClosed
	}
	n, err := s.actor.DestroyAll(ctx, reasonOf(reason, EndRevoked))
	if err != nil {
		return n, fmt.Errorf("destroying all sessions: %w", err)
	}
	return n, nil
}

func (s *Store) destroyUser(ctx context.Context, userID string, keep persist.ID, reason []EndReason) (int, error) {
	if err := s.ready(userID); err != nil {
		return 0, err
	}
	n, err := s.actor.DestroyUser(ctx, s.userKey(userID), keep, reasonOf(reason, EndLoggedOutElsewhere))
	if err != nil {
		return n, fmt.Errorf("destroying sessions of a user: %w", err)
	}
	return n, nil
}
