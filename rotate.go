package sessile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sessile/sessile/actor"
	"github.com/sessile/sessile/persist"
)

// RotatedError means that the token was replaced by another one. It is also an [ErrNotFound],
// because the token gives no access. It distinguishes a request that was in flight during a
// rotation from one with an unknown token.
type RotatedError struct {
	SessionID ID
	RotatedAt time.Time
}

// Error describes the failure without the token.
func (*RotatedError) Error() string { return "session token has been replaced" }

// Is reports that a RotatedError is an ErrNotFound.
func (*RotatedError) Is(target error) bool { return target == ErrNotFound }

func rotatedError(id persist.ID, at int64) error {
	return &RotatedError{SessionID: ID(id), RotatedAt: fromMicros(at)}
}

// Rotation says how a token is replaced. The zero value replaces any token and invalidates the old
// one at once.
type Rotation struct {
	// From is the token to replace. If the session has another token by now, Rotate returns a
	// [*RotatedError]. The zero Token matches any.
	From Token
	// Grace keeps the old token valid until the new one is first presented, and for Config.RotateGrace
	// after that. Use it only for periodic rotation, never after a login or a change of privilege
	// (OWASP: renewal timeout).
	//
	// Only one token of a session can have a grace. Until it is over, another rotation with Grace
	// returns [ErrInGrace], with one exception: if nobody presents the new token for a minute, the
	// response with it must have been lost. Then a rotation From the old token replaces the new one,
	// and From keeps its grace.
	Grace bool
	// Reauthenticated sets Session.AuthenticatedAt. Use it when the user has just authenticated again.
	Reauthenticated bool
}

// RotateToken gives a session a new token. The ID, the data and the deadline stay the same. When it
// returns nil, the new token is on disk (fsync) and the old one gives no access. Parallel calls
// leave exactly one valid token, that of the last call.
//
// After an error there is no new token. If the outcome is unknown ([ErrUnknown]), the old token
// gives no access either, except with Rotation.Grace.
//
// If other nodes rotate too, it may return a [*RotatedError]: the token was replaced, and another
// node has replaced the new one since. Neither of the two gives access.
func (s *Store) RotateToken(ctx context.Context, id ID) (Token, error) {
	_, t, err := s.Rotate(ctx, id, Rotation{})
	return t, err
}

// Rotate is [Store.RotateToken] with options. It also returns the session as it is after the
// rotation.
func (s *Store) Rotate(ctx context.Context, id ID, r Rotation) (Session, Token, error) {
	if s.closed.Load() {
		return Session{}, Token{}, ErrClosed
	}
	t, err := newToken(s.keys().seal, persist.ID(id).Tag(), s.cfg.entropy)
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
