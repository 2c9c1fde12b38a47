package actor

import "github.com/sessile/sessile/persist"

// EventKind says what an [Event] tells.
type EventKind uint8

// The events of an actor.
const (
	Created EventKind = iota + 1
	Rotated
	Destroyed
	Expired
	Evicted
	LimitReached
	Quarantined // a change could not be stored and was given up
	WriteFailed // a batch could not be committed; it will be retried
	Recovered   // batches are committed again
	CacheReset  // the backend asked to trust nothing cached
	SweepFailed // expired sessions could not be deleted; the next sweep tries again
	Overloaded  // calls are refused for want of room
	Relieved    // none has been for a second
)

// Event tells what happened to a session, or to the store when ID is zero. It is told after
// the step that decided it is published. It says nothing about the disk, but for those kinds
// that are about it.
type Event struct {
	Kind   EventKind
	ID     persist.ID
	UserID string
	At     int64
	Reason string
	Err    error
	// Payload is passed through untouched, for events that are not the actor's.
	Payload any
}
