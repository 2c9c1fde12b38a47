// Package ledger records what a store acknowledged and judges a store by it. A harness
// adds an [Entry] before each call and one after it. The [Ledger] made of the entries
// knows what must be true, and [Ledger.Check] compares a store with it. Entries are
// values, so a harness can make the ledger of any moment of a run. The package knows
// nothing of files, faults and power cuts. It is for tests.
package ledger

import (
	"context"
	"errors"

	"github.com/sessile/sessile"
)

// Op is the operation that an entry is about.
type Op string

// The operations.
const (
	Create  Op = "create"
	Rotate  Op = "rotate"
	Destroy Op = "destroy"
	Update  Op = "update"
	Touch   Op = "touch"
	Sync    Op = "sync"
	Restart Op = "restart" // no call: the store was closed with losses and opened again
	Expire  Op = "expire"  // no call: the time of short-lived sessions has come
)

// Stage is how far an operation has come.
type Stage string

// The stages. Begun comes before the call, one of the others after it.
const (
	Begun   Stage = "begun"
	Done    Stage = "done"    // acknowledged
	Refused Stage = "refused" // surely not done
	Unknown Stage = "unknown" // done or not
	Dead    Stage = "dead"    // Rotate: done or not, and the store promised that the old token is dead
)

// Entry is one line of the ledger.
type Entry struct {
	Op        Op
	Stage     Stage
	User      string
	IDs       []sessile.ID  // the sessions; Create: those that it may evict, and last, once it is Done, the new one
	Token     sessile.Token // the new one
	N         int64         // Update: the value; Touch: the time, Unix microseconds
	Wait      bool          // Update: acknowledged means on disk
	Grace     bool          // Rotate: the old token stays valid for a while
	Lost      bool          // Rotate: it replaces a token that was never presented, and the one before stays valid
	Short     bool          // Create: it may end by itself
	Uncertain bool          // Done, Dead: it may be lost all the same, because the store said in time that it had failed
}

// StageOf sorts an error by what it says of the operation.
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

// Documented reports whether an error is one that the package's documentation names.
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
