package sessile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sessile/sessile/actor"
	"github.com/sessile/sessile/persist"
)

// RotatedError says that a token was replaced by another one. It is an [ErrNotFound], because
// the token gives no access. It tells a request that was in flight during a rotation from one
// with an unknown token.
type RotatedError struct {
	SessionID ID
	RotatedAt time.Time
}

func (*RotatedError) Error() string { return "session token has been replaced" }

// Is makes a RotatedError an ErrNotFound.
func (*RotatedError) Is(target error) bool { return target == ErrNotFound }

func rotatedError(id persist.ID, at int64) error {
	return &RotatedError{SessionID: ID(id), RotatedAt: fromMicros(at)}
}

// Rotation says how a token is replaced. The zero value replaces any token, and the old token
// gives no access from then on.
type Rotation struct {
	// From is the token to replace. If the session has another one by now, the result is a
	// [*RotatedError]. The zero Token stands for any.
	From Token
	// Grace keeps the old token valid until the new one is first presented, and for
	// Config.RotateGrace after that. It is for periodic rotation only, never after a login or
	// a change of privilege (OWASP: renewal timeout).
	//
	// Only one token at a time has a grace. Until it is over, another rotation with a grace is
	// an [ErrInGrace]. There is one exception: if nobody presents the new token for a minute,
	// its response must have been lost. Then a rotation From the old token replaces the new
	// one, and From keeps its grace.
	Grace bool
	// Reauthenticated sets Session.AuthenticatedAt: the user has just proved who they are.
	Reauthenticated bool
}

// RotateToken gives a session a new token. The ID, the data and the deadline stay the same.
// When it returns the new token, the change is on disk (fsync) and the old token gives no
// access. Parallel calls leave exactly one valid token, that of the last call.
//
// After an error there is no new token. If the outcome is unknown ([ErrUnknown]), the old
// token gives no access either, unless it was to have a grace.
func (s *Store) RotateToken(ctx context.Context, id ID) (Token, error) {
	_, t, err := s.Rotate(ctx, id, Rotation{})
	return t, err
}

// Rotate is [Store.RotateToken] with choices. It also returns the session with its new token's
// RotatedAt.
func (s *Store) Rotate(ctx context.Context, id ID, r Rotation) (Session, Token, error) {
	if s.closed.Load() {
		return Session{}, Token{}, ErrClosed
	}
	t, err := newToken(s.sealKey, persist.ID(id).Tag(), s.cfg.entropy)
	if err != nil {
		return Session{}, Token{}, err
	}
	change := actor.TokenChange{To: t.hash(), Reauth: r.Reauthenticated}
	if !r.From.IsZero() {
		change.From = r.From.hash()
	}
	if r.Grace {
		change.Until = persist.Unseen
	}
	v, err := s.actor.Rotate(ctx, persist.ID(id), change)
	if err != nil {
		if old, ok := errors.AsType[*actor.RotatedError](err); ok {
			err = rotatedError(old.ID, old.At)
		}
		return Session{}, Token{}, fmt.Errorf("rotating the token of session %s: %w", id, err)
	}
	return Session{view: v}, t, nil
}
