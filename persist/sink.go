package persist

import "time"

// EventKind says what an [Event] invalidates.
type EventKind uint8

// The kinds of invalidation.
const (
	EventSessionChanged EventKind = iota + 1 // Event.ID
	EventUserChanged                         // every session of Event.UserID but Event.Except
)

// Event is a change by another node.
type Event struct {
	Kind   EventKind
	ID     ID
	UserID string
	Except ID
}

// Sink receives what a backend's Watch learns. Its methods do not block for long
// and may be called from any goroutine.
type Sink interface {
	// Reset: anything may have been missed. Nothing cached may be trusted, and the lease is over.
	Reset(reason string)
	// Invalidate: these sessions changed elsewhere.
	Invalidate(events []Event)
	// Fresh: everything that was committed more than age ago has been delivered.
	Fresh(age time.Duration)
}
