package actor

import (
	"errors"
	"fmt"

	"github.com/sessile/sessile/persist"
)

// Errors of an Actor, to be tested with errors.Is.
var (
	// ErrClosed: the actor has been closed.
	ErrClosed = errors.New("session store is closed")
	// ErrExpired: the session is there, but its end has passed. It is also an ErrNotFound.
	ErrExpired error = expired{}
	// ErrOverloaded: a bound is reached, and there was no room soon; nothing was done.
	ErrOverloaded = errors.New("session store is overloaded")
	// ErrNotDurable: the session is refused from now on in this process, but its deletion
	// is not on disk yet. It is retried until it is on disk or Close gives up. If Close
	// gives up it says so, and the session may be back after a restart. It wraps its cause:
	// the disk's error, ErrClosed, or the context's.
	ErrNotDurable = errors.New("refused from now on in this process, not yet durable")
	// ErrLimitReached: the user has as many sessions as allowed.
	ErrLimitReached = errors.New("session limit reached")
	// ErrConflict: another node changed the session meanwhile, or an id or token collided.
	ErrConflict = errors.New("session changed elsewhere")
	// ErrInGrace: the token before this one still has its grace, and another
	// rotation would end it early; nothing was done. See View.SuccessorLost.
	ErrInGrace = errors.New("the previous token still has its grace")
	// ErrDataTooLarge: the session's data would exceed its bound.
	ErrDataTooLarge = errors.New("session data too large")
)

// notDurable is ErrNotDurable with its cause.
func notDurable(cause error) error { return fmt.Errorf("%w: %w", ErrNotDurable, cause) }

// unavailable is the answer to an operation that the disk refused by itself: nothing was done.
func unavailable(cause error) error { return fmt.Errorf("%w: %w", persist.ErrUnavailable, cause) }

// expired is ErrExpired: a kind of persist.ErrNotFound, so that a caller who
// only asks "is it there" needs one test.
type expired struct{}

func (expired) Error() string        { return "session has expired" }
func (expired) Is(target error) bool { return target == persist.ErrNotFound }

// RotatedError says that a token has been replaced. It is a persist.ErrNotFound.
type RotatedError struct {
	ID persist.ID // the session that the token once opened
	At int64      // when it was replaced, Unix microseconds
}

func (*RotatedError) Error() string { return "token has been replaced" }

// Is makes a RotatedError a persist.ErrNotFound.
func (*RotatedError) Is(target error) bool { return target == persist.ErrNotFound }
