package persist

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

// Instant is a reading of a node's monotonic clock, in microseconds. It only compares with
// other instants of the same process. Setting the wall clock does not change it.
type Instant int64

// Sink receives what Watch learns. Its methods return quickly and may be called from any
// goroutine.
type Sink interface {
	// Reset says that changes may have been missed. Nothing cached may be trusted, and the
	// lease is over. A feed that reconnects first listens, then calls Reset, then beats.
	Reset(reason string)
	// Invalidate lists changes by other nodes.
	Invalidate(events []Event)
	// Now returns the current instant.
	Now() Instant
	// Fresh says that this sink has received every change that any node had committed at the
	// instant at. An instant before the last Reset has no effect.
	//
	// A backend over a network proves this with a beat. It calls Now. It writes the beat the
	// same way as a security operation. When the beat comes back on the feed, behind all
	// changes committed before it, the backend calls Fresh with that instant. A ping of the
	// feed proves less: a former primary answers it too.
	Fresh(at Instant)
}
