package sessile

import (
	"log/slog"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/sessile/sessile/actor"
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

	// Emitted by the middleware.
	EventUnknownToken        EventKind = "unknown_token"
	EventTokenReused         EventKind = "token_reused"
	EventFingerprintMismatch EventKind = "fingerprint_mismatch"
	EventAmbiguousCookies    EventKind = "ambiguous_cookies"
	EventUnreadable          EventKind = "unreadable"
)

// Event reports what happened to a session, or to the store if SessionID is zero. It holds no
// secret, so it can be logged as it is. Its JSON and log forms leave out zero fields.
type Event struct {
	Kind      EventKind
	SessionID ID        `json:",omitzero"`
	UserID    string    `json:",omitzero"`
	At        time.Time `json:",omitzero"`
	Reason    string    `json:",omitzero"`
}

// LogValue returns the fields as a group, for slog. Under the key "" they become fields of
// the log line itself.
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

// emit passes an event of the middleware's to Config.Events, behind the store's own. It
// never waits.
func (s *Store) emit(e Event) {
	if e.At.IsZero() {
		e.At = s.Now()
	}
	s.actor.Emit(actor.Event{Payload: e})
}

// observe takes the actor's events, one after the other, on a goroutine of its own.
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
		s.log.Error("a change could not be stored and was given up", zap.Stringer("session", out.SessionID), zap.Error(e.Err))
	default:
		s.observeHealth(e, out)
		return
	}
	s.tell(out)
}

// observeHealth logs and tells what concerns the store as a whole.
func (s *Store) observeHealth(e actor.Event, out Event) {
	out.Kind = EventHealth
	switch e.Kind {
	case actor.EventWriteFailed:
		out.Reason = "writes fail and are retried"
		s.log.Error("writing sessions failed; it is retried", zap.Error(e.Err))
	case actor.EventRecovered:
		out.Reason = "writes succeed again"
		s.log.Info("writing sessions succeeds again")
	case actor.EventCacheReset:
		s.log.Warn("sessions in memory were dropped", zap.String("reason", e.Reason))
	case actor.EventOverloaded:
		out.Reason = overloaded
		s.log.Warn(overloaded)
	case actor.EventRelieved:
		out.Reason = "no call is refused any more"
		s.log.Info(out.Reason)
	case actor.EventSweepFailed:
		out.Reason = "expired sessions could not be deleted"
		s.log.Warn("cleaning up expired sessions failed; the next sweep tries again", zap.Error(e.Err))
	}
	s.tell(out)
}

func (s *Store) tell(e Event) {
	if s.cfg.Events != nil {
		s.cfg.Events(e)
	}
}
