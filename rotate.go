package sessile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/sessile/sessile/actor"
	"github.com/sessile/sessile/persist"
)

// RotatedError says that a token has been replaced by another. It is an
// [ErrNotFound]: the token gives no access. It tells a request that was under
// way when its session rotated from one with an unknown token.
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

// Rotation says how a token is replaced. The zero value replaces whatever token
// the session has, and the old one is dead at once.
type Rotation struct {
	// From is the token to replace; if the session has another one by now the
	// result is a [*RotatedError]. The zero Token replaces any.
	From Token
	// Grace keeps the old token good until the new one is first seen and for
	// Config.RotateGrace after: for periodic rotation only, never after a login or
	// a change of privilege (OWASP: renewal timeout). Only one token at a time has
	// a grace: until it is over, another such rotation is an [ErrInGrace]. But a new
	// token that nobody has presented for a minute is lost: then a rotation From the token
	// before replaces it. The lost one opens nothing from then on, and From keeps its
	// grace.
	Grace bool
	// Reauthenticated notes that the user has just proved who they are.
	Reauthenticated bool
}

// RotateToken gives a session a new token; id, data and deadline stay. It is on
// disk (fsync), and the old token dead, when the new one is returned. Of parallel
// calls each leaves exactly one live token, the last one.
//
// After an error no token was handed out. If it is not known whether the write was
// done ([ErrUnknown]), the old one is dead too, unless it was to have a grace.
func (s *Store) RotateToken(ctx context.Context, id ID) (Token, error) {
	_, t, err := s.Rotate(ctx, id, Rotation{})
	return t, err
}

// Rotate is [Store.RotateToken] with choices. It also returns the session as it is with the
// new token.
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
