package sessile

import (
	"errors"
	"fmt"

	"github.com/sessile/sessile/actor"
	"github.com/sessile/sessile/internal/object"
	"github.com/sessile/sessile/persist"
)

// Errors about a session. Test for them with errors.Is. No error contains a token or session data.
var (
	// ErrNotFound means that the session does not exist or no longer gives access.
	ErrNotFound = persist.ErrNotFound
	// ErrExpired means that the session has expired. It is also an ErrNotFound.
	ErrExpired = actor.ErrExpired
	// ErrConflict means that an ID or a token collided, or that another node changed the session.
	ErrConflict = actor.ErrConflict
	// ErrLimitReached means that the user has Config.MaxSessionsPerUser sessions and the policy is
	// [LimitRefuseNew], or that the user has Config.MaxAPITokensPerUser API tokens.
	ErrLimitReached = actor.ErrLimitReached
	// ErrInGrace means that Rotation.Grace was set while the grace of an earlier rotation still runs.
	// Nothing was done.
	ErrInGrace = actor.ErrInGrace
	// ErrDataTooLarge means that the data would exceed Config.MaxDataBytes.
	ErrDataTooLarge = actor.ErrDataTooLarge
)

// Errors of the store. None of them says that a session does not exist, so never treat them as
// "logged out".
var (
	// ErrClosed means that the store has been closed.
	ErrClosed = actor.ErrClosed
	// ErrOverloaded means that a limit was reached and no room became free in time. Nothing was done.
	// A call waits at most 50 ms at each limit. If the caller's context ended meanwhile, the error
	// wraps the context's error too.
	ErrOverloaded = actor.ErrOverloaded
	// ErrNotDurable means that the session is refused in this process, but its deletion is not on disk
	// yet. The store retries the deletion until it succeeds or [Store.Close] gives up. If Close gives
	// up, it returns an error, and the session may be back after a restart. ErrNotDurable wraps its
	// cause.
	ErrNotDurable = actor.ErrNotDurable
	// ErrUnavailable means that the storage failed: nothing was read or written.
	ErrUnavailable = persist.ErrUnavailable
	// ErrUnknown means that the write failed and may or may not be on disk.
	ErrUnknown = persist.ErrUnknown
	// ErrFileReplaced means that the session file was removed, replaced or overwritten while it was
	// open. Further writes would be lost. It is also an ErrUnavailable or an ErrUnknown.
	ErrFileReplaced = persist.ErrFileReplaced
	// ErrCorrupt means that the session is stored but cannot be read.
	ErrCorrupt = persist.ErrCorrupt
)

// Errors of [Open] and [Restore] about a file. They leave the file unchanged.
var (
	// ErrLocked means that another process has the file open. The error names its pid.
	ErrLocked = persist.ErrLocked
	// ErrNewer means that a newer version of Sessile wrote the file.
	ErrNewer = persist.ErrNewer
	// ErrNotStore means that the file is not a session store, or is damaged.
	ErrNotStore = persist.ErrNotStore
	// ErrForeignWAL means that the -wal file belongs to another database file. This happens when a
	// backup is copied over a store that was killed. [Restore] puts such a backup in place.
	ErrForeignWAL = persist.ErrForeignWAL
	// ErrReadOnly means that the file cannot be written.
	ErrReadOnly = persist.ErrReadOnly
)

// Errors about an argument.
var (
	// ErrInvalidToken means that the text is not a token. No lookup was made. It is also an
	// ErrNotFound, because the text opens no session.
	ErrInvalidToken = fmt.Errorf("invalid session token: %w", ErrNotFound)
	// ErrInvalidID means that the text is not a session ID.
	ErrInvalidID = errors.New("invalid session id")
	// ErrInvalidUserID means that the user ID is empty, longer than 512 bytes, not UTF-8, or contains
	// NUL.
	ErrInvalidUserID = errors.New("invalid user id")
	// ErrInvalidData means that the data does not encode to a JSON object in valid UTF-8.
	ErrInvalidData = object.ErrInvalidValue
	// ErrWrongType means that a stored value does not decode into the type that the caller wants.
	ErrWrongType = object.ErrWrongType
	// ErrInvalidQuery means that a [Query] has a cursor of another search, or a filter or limit out
	// of range.
	ErrInvalidQuery = persist.ErrInvalidQuery
	// ErrInvalidTime means that a time or lifetime is zero, negative or out of range.
	ErrInvalidTime = errors.New("time out of range")
	// ErrInvalidConfig means that the configuration cannot be used. The error lists every fault.
	ErrInvalidConfig = errors.New("invalid configuration")
)
