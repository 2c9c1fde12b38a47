package sessile

import (
	"log/slog"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/sessile/sessile/actor"
)

// EventKind is the kind of an [Event].
type EventKind string

// The kinds of event (OWASP Session Management Cheat Sheet: log the session life cycle).
const (
	EventCreated      EventKind = "created"
	EventRotated      EventKind = "rotated"
	EventDestroyed    EventKind = "destroyed"
	EventExpired      EventKind = "expired"
	EventEvicted      EventKind = "evicted"
	EventLimitReached EventKind = "limit_reached"
	EventQuarantined  EventKind = "quarantined" // the store dropped a change that it could not write
	EventHealth       EventKind = "health"      // the store's health changed; see [Store.Health]

	// The middleware emits these.
	EventUnknownToken        EventKind = "unknown_token"        // a cookie or bearer token that no session has
	EventTokenReused         EventKind = "token_reused"         // a replaced token came back: somebody may have a copy
	EventFingerprintMismatch EventKind = "fingerprint_mismatch" // a token came from another kind of browser
	EventAmbiguousCookies    EventKind = "ambiguous_cookies"    // several session cookies with different values
	EventUnreadable          EventKind = "unreadable"           // a stored session is damaged
)

// Event reports what happened to a session, or to the store if SessionID is zero. It contains no
// secret, so it can be logged as it is. Its JSON and log forms leave out zero fields. Reason is an
// [EndReason] if the event is the end of a session, otherwise a text for people.
type Event struct {
	Kind      EventKind `json:"kind"`
	SessionID ID        `json:"session_id,omitzero"`
	UserID    string    `json:"user_id,omitzero"`
	At        time.Time `json:"at,omitzero"`
	Reason    string    `json:"reason,omitzero"`
}

// LogValue returns the fields as a group for slog. Under the key "" the fields become fields of the
// log line itself.
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

// MarshalLogObject adds the fields to a zap object. With zap.Inline they become fields of the log
// line itself.
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

// emit passes an event of the middleware to Config.Events, behind the store's own. It never waits.
func (s *Store) emit(e Event) {
	if e.At.IsZero() {
		e.At = s.Now()
	}
	s.actor.Emit(actor.Event{Payload: e})
}

// observe converts the actor's events. The actor calls it for one event at a time, on one
// goroutine.
func (s *Store) observe(e actor.Event) {
	if told, ok := e.Payload.(Event); ok {
		s.tell(told)
		return
	}
	out := Event{SessionID: ID(e.ID), UserID: e.UserID, At: fromMicros(e.At), Reason: e.Reason}
	switch e.Kind {
	case actor.EventCreated:
		out.Kind = EventCreated
	case actor.EventRotated:
		out.Kind = EventRotated
	case actor.EventDestroyed:
		out.Kind = EventDestroyed
	case actor.EventExpired:
		out.Kind = EventExpired
	case actor.EventEvicted:
		out.Kind = EventEvicted
	case actor.EventLimitReached:
		out.Kind = EventLimitReached
	case actor.EventQuarantined:
		out.Kind = EventQuarantined
		s.log.Error("dropped a change that cannot be written", zap.Stringer("session", out.SessionID), zap.Error(e.Err))
	default:
		s.observeHealth(e, out)
		return
	}
	s.tell(out)
}

// observeHealth logs and reports events about the store as a whole.
func (s *Store) observeHealth(e actor.Event, out Event) {
	out.Kind = EventHealth
	switch e.Kind {
	case actor.EventWriteFailed:
		out.Reason = "writes fail and are retried"
		s.log.Error("writing sessions failed; retrying", zap.Error(e.Err))
	case actor.EventRecovered:
		out.Reason = "writes succeed again"
		s.log.Info("writing sessions succeeds again")
	case actor.EventCacheReset:
		s.log.Warn("dropped the sessions in memory", zap.String("reason", e.Reason))
	case actor.EventOverloaded:
		out.Reason = overloaded
		s.log.Warn(overloaded)
	case actor.EventRelieved:
		out.Reason = "calls are accepted again"
		s.log.Info(out.Reason)
	case actor.EventSweepFailed:
		out.Reason = "expired sessions could not be deleted"
		s.log.Warn("deleting expired sessions failed; the next sweep tries again", zap.Error(e.Err))
	}
	s.tell(out)
}

func (s *Store) tell(e Event) {
	if s.cfg.Events != nil {
		s.cfg.Events(e)
	}
}
