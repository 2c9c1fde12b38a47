package sessile

import (
	"fmt"
	"io"
	"log/slog"
	"time"

	"go.uber.org/zap/zapcore"
)

// Session is a session as it was when it was read. It is a value: nothing done
// to it reaches another request. It carries neither the token nor its hash.
// All times are UTC.
type Session struct {
	ID          ID
	UserID      string // "" for a guest
	IPAddress   string
	UserAgent   string
	DeviceName  string // like "Firefox on Windows"
	DeviceType  string // desktop, mobile, tablet or bot
	Fingerprint string
	Data        Data

	CreatedAt       time.Time
	LastActiveAt    time.Time
	ExpiresAt       time.Time     // sliding, never after Deadline
	Deadline        time.Time     // absolute; zero if there is none
	TTL             time.Duration // the sliding lifetime that an access renews
	AuthenticatedAt time.Time     // creation, or the last re-authentication
	RotatedAt       time.Time     // zero if the token was never rotated
}

// NewSession is what [Store.CreateWith] makes a session of.
type NewSession struct {
	UserID      string
	Meta        Meta
	Data        any           // encodes to a JSON object; nil = {}
	TTL         time.Duration // sliding lifetime, 0 = Config.TTL
	MaxLifetime time.Duration // absolute lifetime, 0 = Config.MaxLifetime; or NoMaxLifetime
	Guest       bool          // a session without a user
}

// IsGuest reports whether the session has no user.
func (s Session) IsGuest() bool { return s.UserID == "" }

// String identifies the session; it tells neither data nor fingerprint.
func (s Session) String() string { return "Session(" + s.ID.String() + ")" }

// GoString is String.
func (s Session) GoString() string { return s.String() }

// Format prints String for every verb, so that %+v does not print the data.
func (s Session) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// LogValue identifies the session to slog.
func (s Session) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("id", s.ID.String()),
		slog.Time("created_at", s.CreatedAt), slog.Time("expires_at", s.ExpiresAt))
}

// MarshalLogObject identifies the session to zap.
func (s Session) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString("id", s.ID.String())
	e.AddTime("created_at", s.CreatedAt)
	e.AddTime("expires_at", s.ExpiresAt)
	return nil
}
