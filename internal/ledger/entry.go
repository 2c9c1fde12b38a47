// Package ledger records what a store acknowledged, and checks a store against it. It is for tests. A
// harness adds one [Entry] before each call and one after it. From the entries, the [Ledger] knows what
// must be true, and [Ledger.Check] compares a store with it. Entries are values, so a harness can
// rebuild the ledger of any moment of a run. The package knows nothing of files, faults or power cuts.
package ledger

import (
	"context"
	"errors"

	"github.com/sessile/sessile"
)

// Op is the operation of an entry.
type Op string

// The operations.
const (
	Create  Op = "create"
	Rotate  Op = "rotate"
	Destroy Op = "destroy"
	Update  Op = "update"
	Touch   Op = "touch"
	Sync    Op = "sync"
	Restart Op = "restart" // not a call: the store was closed with losses and opened again
	Expire  Op = "expire"  // not a call: short-lived sessions have expired
)

// Stage is the progress of an operation.
type Stage string

// The stages. Begun comes before the call, and one of the others after it.
const (
	Begun   Stage = "begun"
	Done    Stage = "done"    // acknowledged
	Refused Stage = "refused" // certainly not done
	Unknown Stage = "unknown" // may be done
	Dead    Stage = "dead"    // Rotate: may be done, and the store promised that the old token is dead
)

// Entry is one line of the ledger.
type Entry struct {
	Op        Op
	Stage     Stage
	User      string
	IDs       []sessile.ID  // the sessions; Create: those that it may evict, then, once Done, the new one
	Token     sessile.Token // the new token
	N         int64         // Update: the value; Touch: the time, Unix microseconds
	Wait      bool          // Update: acknowledged means durable
	Grace     bool          // Rotate: the old token stays valid for a while
	Lost      bool          // Rotate: replaces a token that was never presented, and the previous one stays valid
	Short     bool          // Create: the session may expire by itself
	Uncertain bool          // Done, Dead: may be lost anyway, because the store reported in time that it had failed
}

// StageOf returns the stage that an error means for its operation.
func StageOf(err error) Stage {
	switch {
	case err == nil:
		return Done
	case isAny(err, sessile.ErrUnknown, sessile.ErrNotDurable):
		return Unknown
	case isAny(err, sessile.ErrUnavailable, sessile.ErrOverloaded, sessile.ErrCorrupt, sessile.ErrNotFound, sessile.ErrInGrace):
		return Refused
	default:
		return Unknown
	}
}

// Documented reports whether the package documentation names an error.
func Documented(err error) bool {
	return err == nil || isAny(err,
		sessile.ErrNotFound, sessile.ErrConflict, sessile.ErrInGrace, sessile.ErrClosed, sessile.ErrOverloaded, sessile.ErrNotDurable,
		sessile.ErrUnavailable, sessile.ErrUnknown, sessile.ErrCorrupt,
		sessile.ErrLocked, sessile.ErrNewer, sessile.ErrNotStore, sessile.ErrForeignWAL, sessile.ErrReadOnly,
		context.DeadlineExceeded, context.Canceled)
}

func isAny(err error, targets ...error) bool {
	for _, t := range targets {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}
