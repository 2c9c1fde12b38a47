package sessile

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

// updatePiece is how many sessions UpdateAllForUser changes between two commits.
const updatePiece = 256

// UpdateAllForUser changes single keys in every active session of a user, in memory or not, for
// example after a change of role. It returns how many sessions it changed. It does not count as an
// access, so it renews no session and moves none up in a list. Other keys stay.
//
// It changes the sessions that exist when it is called. A login in flight may still create one with
// the old value:
//
//  1. A login reads the old role.
//  2. The role changes, and UpdateAllForUser changes all sessions.
//  3. The login creates its session, with the old role.
//
// So change the role in your own database first, and then call UpdateAllForUser. Let the login
// compare the role once more when its session exists, for example in middleware.Login.Confirm. Then
// either UpdateAllForUser finds the session, or the login sees the new role.
//
// A request that has read its session before does not see the change. A later one does.
//
// The changes are on disk (fsync) when UpdateAllForUser returns nil. It commits them in pieces, with
// the changes of others between them, and reads sessions that are not in memory one by one. While
// the disk fails, it waits until ctx ends. After an error some sessions may be changed: call it
// again.
//
// A session that ends meanwhile is left out. A session that cannot take the changes
// ([ErrDataTooLarge], [ErrCorrupt], [ErrConflict]) does not keep the others from theirs; the error
// names each one. After any other error of [Store.Update] the rest is left as it is.
func (s *Store) UpdateAllForUser(ctx context.Context, userID string, c *Changes) (int, error) {
	changes, err := c.list()
	if err != nil {
		return 0, err
	}
	list, err := s.ListForUser(ctx, userID)
	if err != nil {
		return 0, err
	}
	n := 0
	var refused []error
	for piece := range slices.Chunk(list, updatePiece) {
		for _, x := range piece {
			switch err := s.amend(ctx, x.ID(), changes); {
			case err == nil:
				n++
			case errors.Is(err, ErrNotFound):
			case errors.Is(err, ErrDataTooLarge), errors.Is(err, ErrCorrupt), errors.Is(err, ErrConflict):
				refused = append(refused, err)
			default:
				return n, errors.Join(append(refused, err)...)
			}
		}
		if err := s.Sync(ctx); err != nil {
			return n, errors.Join(append(refused, err)...)
		}
	}
	return n, errors.Join(refused...)
}

// amend changes the data of one session and leaves its times.
func (s *Store) amend(ctx context.Context, id ID, l []object.Change) error {
	if err := s.actor.Amend(ctx, persist.ID(id), l, s.cfg.MaxDataBytes); err != nil {
		return fmt.Errorf("updating session %s: %w", id, err)
	}
	return nil
}
