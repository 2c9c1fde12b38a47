package sessile

import (
	"errors"

	"github.com/sessile/sessile/actor"
	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

// What can go wrong with a session. Test with errors.Is; no error contains a
// token or session data.
var (
	// ErrNotFound: there is no such session, or it gives no access any more.
	ErrNotFound = persist.ErrNotFound
	// ErrExpired: the session has ended. It is an ErrNotFound.
	ErrExpired = actor.ErrExpired
	// ErrConflict: an id or token collided, or another node changed the session.
	ErrConflict = actor.ErrConflict
	// ErrLimitReached: the user has as many sessions as allowed, and the policy is [LimitRefuseNew].
	ErrLimitReached = actor.ErrLimitReached
	// ErrInGrace: a rotation with a grace came while an earlier one has its grace
	// still; nothing was done.
	ErrInGrace = actor.ErrInGrace
	// ErrDataTooLarge: the data would exceed Config.MaxDataBytes.
	ErrDataTooLarge = actor.ErrDataTooLarge
)

// What can go wrong with the store. None of these says that a session is not
// there: they must not be taken for "logged out".
var (
	// ErrClosed: the store has been closed.
	ErrClosed = actor.ErrClosed
	// ErrOverloaded: a bound is reached, and there was no room soon; nothing was done.
	// A call waits for room for 50 ms at most at each bound that it meets. Where the
	// caller's context has ended meanwhile, this wraps that too.
	ErrOverloaded = actor.ErrOverloaded
	// ErrNotDurable: the session is refused from now on in this process, and its deletion
	// is retried until it is on disk or [Store.Close] gives up; then Close says so, and the
	// session may be back after a restart. It wraps its cause.
	ErrNotDurable = actor.ErrNotDurable
	// ErrUnavailable: the disk did not do it.
	ErrUnavailable = persist.ErrUnavailable
	// ErrUnknown: the disk may have done it or not.
	ErrUnknown = persist.ErrUnknown
	// ErrFileReplaced: the session file was removed, replaced or overwritten while it was open:
	// what is written now would be lost. It is an ErrUnavailable, or an ErrUnknown, too.
	ErrFileReplaced = persist.ErrFileReplaced
	// ErrCorrupt: the session is stored but cannot be read.
	ErrCorrupt = persist.ErrCorrupt
)

// What can be wrong with a file that is opened. The file is left as it is.
var (
	// ErrLocked: another process has it open; the error names its pid.
	ErrLocked = persist.ErrLocked
	// ErrNewer: it was written by a newer version of Sessile.
	ErrNewer = persist.ErrNewer
	// ErrNotStore: it is no session store, or damaged.
	ErrNotStore = persist.ErrNotStore
	// ErrForeignWAL: the -wal beside it belongs to another file, because a backup was
	// copied over a store that had been killed. [Restore] puts the backup in its place.
	ErrForeignWAL = persist.ErrForeignWAL
	// ErrReadOnly: it cannot be written.
	ErrReadOnly = persist.ErrReadOnly
)

// What can be wrong with an argument.
var (
	// ErrInvalidToken: the text is not a token. It costs no lookup.
	ErrInvalidToken = errors.New("invalid session token")
	// ErrInvalidID: the text is not a session id.
	ErrInvalidID = errors.New("invalid session id")
	// ErrInvalidUserID: the user id is empty, longer than 512 bytes, not UTF-8, or contains NUL.
	ErrInvalidUserID = errors.New("invalid user id")
	// ErrInvalidData: the data does not encode to a JSON object in valid UTF-8.
	ErrInvalidData = object.ErrInvalidValue
	// ErrInvalidTime: a time or lifetime is zero, negative or out of range.
	ErrInvalidTime = errors.New("time out of range")
	// ErrInvalidConfig: the configuration cannot be used; the error lists every fault.
	ErrInvalidConfig = errors.New("invalid configuration")
)
