package sessile

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/sessile/sessile/actor"
	"github.com/sessile/sessile/persist"
)

// Session is a snapshot of a session. It is small and immutable, so pass it by value: it refers to
// one version of the session in memory, and every change makes a new version. Keeping a Session
// keeps that version and its data in memory.
//
// The zero Session is no session: its methods are safe to call, and IsZero reports true. Sessions
// cannot be compared with ==; compare their IDs.
//
// A Session contains no token. It prints as its ID. Loggers get its ID and times. Its JSON leaves
// out data and fingerprint. All times are in UTC, with microsecond precision.
//
// Package fmt calls no methods of an unexported field. There %v prints an address. A verb that
// pointers lack, such as %s, prints the metadata with the fingerprint, but never the data.
//
// Do not embed a Session in a struct, because its methods would hide the other fields from JSON and
// fmt. Give it a named field.
type Session struct {
	_        [0]func() // forbids ==, which would compare versions
	view     *actor.View
	replaced bool
}

// noView is the version of the zero Session.
var noView = actor.View{Identity: persist.Identity{Deadline: persist.NoDeadline}} //nolint:gochecknoglobals // a constant in all but name

func (s Session) v() *actor.View {
	if s.view == nil {
		return &noView
	}
	return s.view
}

// at converts a time of the session. The zero Session has only zero times.
func (s Session) at(micros int64) time.Time {
	if s.view == nil {
		return time.Time{}
	}
	return fromMicros(micros)
}

// IsZero reports whether s is the zero Session, which is no session.
func (s Session) IsZero() bool { return s.view == nil }

// ID returns the ID, which stays the same for the life of the session.
func (s Session) ID() ID { return ID(s.v().ID) }

// UserID returns the ID of the user, or "" for a guest.
func (s Session) UserID() string { return s.v().UserID }

// IsGuest reports whether the session has no user. It is true for the zero Session.
func (s Session) IsGuest() bool { return s.UserID() == "" }

// IsAPIToken reports whether NewSession.APIToken was set: the session belongs to a program.
func (s Session) IsAPIToken() bool { return s.v().Flags&persist.APIToken != 0 }

// Remember returns NewSession.Remember: whether the token outlives the browser.
func (s Session) Remember() Remember { return rememberOf(s.v().Flags) }

// IPAddress returns the address of the client that began the session.
func (s Session) IPAddress() string { return s.v().IPAddress }

// UserAgent returns the User-Agent of the client that began the session, cut to 512 bytes.
func (s Session) UserAgent() string { return s.v().UserAgent }

// DeviceName returns a name for people, such as "Firefox on Windows".
func (s Session) DeviceName() string { return s.v().DeviceName }

// DeviceType returns "desktop", "mobile", "tablet" or "bot", or "" if it is unknown.
func (s Session) DeviceType() string { return s.v().DeviceType }

// Fingerprint returns the fingerprint of the client that began the session. See [NewMeta].
func (s Session) Fingerprint() string { return s.v().Fingerprint }

// Data returns the session's data. [Get] reads one key of it.
func (s Session) Data() Data { return Data{&s.v().Doc} }

// CreatedAt returns when the session began.
func (s Session) CreatedAt() time.Time { return s.at(s.v().CreatedAt) }

// LastActiveAt returns when the session was last accessed.
func (s Session) LastActiveAt() time.Time { return s.at(s.v().LastActive) }

// ExpiresAt returns when the session ends unless an access renews it. It is never after Deadline.
func (s Session) ExpiresAt() time.Time { return s.at(min(s.v().ExpiresAt, s.v().Deadline)) }

// Deadline returns when the session ends regardless of accesses. It is zero if there is no absolute
// timeout.
func (s Session) Deadline() time.Time {
	if s.v().Deadline == persist.NoDeadline {
		return time.Time{}
	}
	return s.at(s.v().Deadline)
}

// TTL returns the idle timeout: how long the session lives after an access.
func (s Session) TTL() time.Duration { return time.Duration(s.v().TTL) * time.Microsecond }

// AuthenticatedAt returns when the user last authenticated: when the session began, or at the last
// rotation with Rotation.Reauthenticated. It is zero if the wall clock was set back so far that
// this is unknown, and for an API token.
func (s Session) AuthenticatedAt() time.Time {
	switch at := s.v().AuthAt; at {
	case 0:
		return s.CreatedAt()
	case persist.Unproven:
		return time.Time{}
	default:
		return s.at(at)
	}
}

// RotatedAt returns when the token was last replaced. It is zero if it never was.
func (s Session) RotatedAt() time.Time {
	r := s.v().Rotation
	if r == nil {
		return time.Time{}
	}
	return s.at(r.At)
}

// ActiveAt reports whether the session has not expired at t. It does not know of a logout after the
// session was read. It is false for the zero Session.
func (s Session) ActiveAt(t time.Time) bool { return s.view != nil && s.view.ActiveAt(t.UnixMicro()) }

// TokenReplaced reports whether the session was read by a token that has been replaced and is still
// in its grace. Only sessions from [Store.ReadByToken] and [Store.Lookup] know that: it is false after
// any other call, such as [Store.Renew].
func (s Session) TokenReplaced() bool { return s.replaced }

// MarshalJSON returns the session without data and fingerprint, for its owner or an administrator.
// The zero Session is null.
func (s Session) MarshalJSON() ([]byte, error) {
	if s.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(struct {
		ID              ID        `json:"id"`
		UserID          string    `json:"user_id"`
		APIToken        bool      `json:"api_token,omitempty"`
		IPAddress       string    `json:"ip_address"`
		UserAgent       string    `json:"user_agent"`
		DeviceName      string    `json:"device_name"`
		DeviceType      string    `json:"device_type"`
		CreatedAt       time.Time `json:"created_at"`
		LastActiveAt    time.Time `json:"last_active_at"`
		ExpiresAt       time.Time `json:"expires_at"`
		Deadline        time.Time `json:"deadline,omitzero"`
		TTLSeconds      float64   `json:"ttl_seconds"`
		AuthenticatedAt time.Time `json:"authenticated_at"`
		RotatedAt       time.Time `json:"rotated_at,omitzero"`
	}{
		s.ID(), s.UserID(), s.IsAPIToken(), s.IPAddress(), s.UserAgent(), s.DeviceName(), s.DeviceType(),
		s.CreatedAt(), s.LastActiveAt(), s.ExpiresAt(), s.Deadline(), s.TTL().Seconds(), s.AuthenticatedAt(), s.RotatedAt(),
	})
}

// UnmarshalJSON returns an error, because only a store makes sessions. It accepts null.
func (*Session) UnmarshalJSON(raw []byte) error { return refuseJSON(raw, "session") }

// String returns the ID for logs: "Session(01J…)".
func (s Session) String() string {
	if s.IsZero() {
		return "Session(none)"
	}
	return "Session(" + s.ID().String() + ")"
}

// GoString returns the same as String.
func (s Session) GoString() string { return s.String() }

// Format prints String for every verb.
func (s Session) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue returns the ID, the creation time and the expiry for slog.
func (s Session) LogValue() slog.Value {
	if s.IsZero() {
		return slog.StringValue(s.String())
	}
	return slog.GroupValue(
		slog.String("id", s.ID().String()),
		slog.Time("created_at", s.CreatedAt()), slog.Time("expires_at", s.ExpiresAt()))
}

// MarshalLogObject adds the ID, the creation time and the expiry to a zap object. The zero Session
// adds nothing.
func (s Session) MarshalLogObject(e zapcore.ObjectEncoder) error {
	if s.IsZero() {
		return nil
	}
	e.AddString("id", s.ID().String())
	e.AddTime("created_at", s.CreatedAt())
	e.AddTime("expires_at", s.ExpiresAt())
	return nil
}
