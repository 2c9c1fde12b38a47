package sessile

import "time"

// EventKind says what happened.
type EventKind string

// The kinds of event (OWASP: logging the session life cycle).
const (
	EventCreated      EventKind = "created"
	EventRotated      EventKind = "rotated"
	EventDestroyed    EventKind = "destroyed"
	EventExpired      EventKind = "expired"
	EventEvicted      EventKind = "evicted"
	EventLimitReached EventKind = "limit_reached"
	EventQuarantined  EventKind = "quarantined" // a change could not be stored and was given up
	EventHealth       EventKind = "health"      // the store's health changed; see [Store.Health]

	// Those of the middleware.
	EventUnknownToken        EventKind = "unknown_token"
	EventTokenReused         EventKind = "token_reused"
	EventFingerprintMismatch EventKind = "fingerprint_mismatch"
	EventAmbiguousCookies    EventKind = "ambiguous_cookies"
	EventUnreadable          EventKind = "unreadable"
)

// Event tells what happened to a session, or to the store when SessionID is
// zero. The session id has nothing to do with the token, so an event can be
// logged as it is.
type Event struct {
	Kind      EventKind
	SessionID ID
	UserID    string
	At        time.Time
	Reason    string
}
