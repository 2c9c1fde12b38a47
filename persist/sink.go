package persist

import "time"

// EventKind says which sessions an [Event] invalidates.
type EventKind uint8

// The kinds of invalidation.
const (
	EventSessionChanged EventKind = iota + 1 // the session Event.ID
	EventUserChanged                         // every session of Event.UserID except Event.Except
)

// Event is a change that another node made.
type Event struct {
	Kind   EventKind
	ID     ID
	UserID string
	Except ID
}

// Sink receives what Watch learns. Its methods return quickly and may be called from any
// goroutine.
type Sink interface {
	// Reset says that changes may have been missed. Nothing cached may be trusted, and the
	// lease is over.
	Reset(reason string)
	// Invalidate lists changes by other nodes.
	Invalidate(events []Event)
	// Fresh says that every change committed more than age ago has been delivered.
	Fresh(age time.Duration)
}
