// Package life leads a life of sessions on a store and keeps the book of what the
// store has promised: a [Client] calls, and notes before each call that it begins
// and after it how it ended; a [Book] made from the notes says what must be true,
// and checks it. Notes are values, so that a book can be made for any moment of a
// life. It refuses to know files, faults and power cuts. It is for tests.
package life

import (
	"context"
	"errors"

	"github.com/sessile/sessile"
)

// Op is what a note is about.
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
	Dead    Stage = "dead"    // Rotate: done or not, and the old token was promised to be dead
)

// Note is one line of the book.
type Note struct {
	Op    Op
	Stage Stage
	User  string
	IDs   []sessile.ID  // whom it is about; Create: whom it may evict, and last, once it is Done, the new one
	Token sessile.Token // the new one
	N     int64         // Update: the value; Touch: the time, Unix microseconds
	Wait  bool          // Update: acknowledged means on disk
	Grace bool          // Rotate: the old token lives on for a while
	Lost  bool          // Rotate: it replaces a token that was never presented, and the one before lives on
	Short bool          // Create: it may end by itself
	Loose bool          // Done, Dead: it may be lost all the same, since the store said in time that it had failed
}

// stageOf sorts an error by what it says of the operation.
func stageOf(err error) Stage {
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

// Clear reports whether an error is one that the package's documentation names.
func Clear(err error) bool {
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
