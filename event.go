package sessile

import (
	"log/slog"
	"time"

	"go.uber.org/zap/zapcore"
)

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
// logged as it is: every form leaves out the fields that are zero.
type Event struct {
	Kind      EventKind
	SessionID ID        `json:",omitzero"`
	UserID    string    `json:",omitzero"`
	At        time.Time `json:",omitzero"`
	Reason    string    `json:",omitzero"`
}

// LogValue is the event in slog: a group of its fields. Under the key "" they are
// fields of the log line itself.
func (e Event) LogValue() slog.Value {
	list := []slog.Attr{slog.String("kind", string(e.Kind))}
	if !e.SessionID.IsZero() {
		list = append(list, slog.String("session", e.SessionID.String()))
	}
	for _, f := range [][2]string{{"user", e.UserID}, {"reason", e.Reason}} {
		if f[1] != "" {
			list = append(list, slog.String(f[0], f[1]))
		}
	}
	if !e.At.IsZero() {
		list = append(list, slog.Time("at", e.At))
	}
	return slog.GroupValue(list...)
}

// MarshalLogObject is the event in zap. With zap.Inline its fields are those of the
// log line itself.
func (e Event) MarshalLogObject(o zapcore.ObjectEncoder) error {
	for _, a := range e.LogValue().Group() {
		if a.Value.Kind() == slog.KindTime {
			o.AddTime(a.Key, a.Value.Time())
			continue
		}
		o.AddString(a.Key, a.Value.String())
	}
	return nil
}
