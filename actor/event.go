package actor

import "github.com/sessile/sessile/persist"

// EventKind says what an [Event] tells.
type EventKind uint8

// The events of an actor.
const (
	EventCreated EventKind = iota + 1
	EventRotated
	EventDestroyed
	EventExpired
	EventEvicted
	EventLimitReached
	EventQuarantined // a change could not be stored and was given up
	EventWriteFailed // a batch could not be committed, for the first time in a row; its changes and deletions are retried
	EventRecovered   // batches are committed again
	EventCacheReset  // the backend asked to trust nothing cached
	EventSweepFailed // expired sessions could not be deleted; the next sweep tries again
	EventOverloaded  // calls are refused for want of room
	EventRelieved    // none has been for a second
)

// The reasons for which the actor itself ends a session.
const (
	ReasonReplaced  = "replaced by a login"
	ReasonEvicted   = "evicted by the session limit"
	ReasonIdle      = "expired idle"
	ReasonAbsolute  = "expired absolute"
	ReasonExpired   = "expired" // by one of the two, which is not known
	ReasonTokenLost = "its token is lost"
	ReasonElsewhere = "ended elsewhere"
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
