package sessile

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"time"

	"go.uber.org/zap/zapcore"
)

// Session is a session as it was when it was read. It is a value: nothing done
// to it reaches another request. It carries neither the token nor its hash.
// All times are UTC. It prints as its id, is logged with its times, and its JSON
// leaves out data and fingerprint.
type Session struct {
	ID          ID     `json:"id"`
	UserID      string `json:"user_id"` // "" for a guest
	IPAddress   string `json:"ip_address"`
	UserAgent   string `json:"user_agent"`
	DeviceName  string `json:"device_name"` // like "Firefox on Windows"
	DeviceType  string `json:"device_type"` // desktop, mobile, tablet or bot; "" if unknown
	Fingerprint string `json:"-" xml:"-" yaml:"-"`
	Data        Data   `json:"-" xml:"-" yaml:"-"`

	CreatedAt       time.Time     `json:"created_at"`
	LastActiveAt    time.Time     `json:"last_active_at"`
	ExpiresAt       time.Time     `json:"expires_at"`          // sliding, never after Deadline
	Deadline        time.Time     `json:"deadline,omitzero"`   // absolute; zero if there is none
	TTL             time.Duration `json:"ttl"`                 // the sliding lifetime that an access renews; in JSON, nanoseconds
	AuthenticatedAt time.Time     `json:"authenticated_at"`    // creation, or the last re-authentication; zero if nobody can say when, because a clock was wrong
	RotatedAt       time.Time     `json:"rotated_at,omitzero"` // zero if the token was never rotated
	TokenReplaced   bool          `json:"-"`                   // it was read by a token that has a successor, within the grace
	TouchDue        bool          `json:"-"`                   // it was read by token, and its last access is Config.TouchInterval ago
}

// NewSession is what [Store.CreateWith] makes a session of. It prints as its user,
// and its JSON leaves out data and fingerprint.
type NewSession struct {
	UserID      string
	Meta        Meta
	Data        any           `json:"-" xml:"-" yaml:"-"` // encodes to a JSON object; nil = {}
	TTL         time.Duration // sliding lifetime, 0 = Config.TTL, or MaxLifetime if that is less; more than MaxLifetime is ErrInvalidTime
	MaxLifetime time.Duration // absolute lifetime, 0 = Config.MaxLifetime; or NoMaxLifetime
	Guest       bool          // a session without a user
	// Replaces is the session that the client had before this login. It ends in the
	// same transaction, and so does not count toward Config.MaxSessionsPerUser and is
	// refused from the moment at which the new one is returned. A session of another
	// user, a guest's, or one that does not exist is left alone.
	Replaces ID
}

// String tells whose session it is to be.
func (n NewSession) String() string {
	if n.Guest {
		return "NewSession(guest)"
	}
	return "NewSession(user " + strconv.Quote(n.UserID) + ")"
}

// GoString is String.
func (n NewSession) GoString() string { return n.String() }

// Format prints String for every verb, so that %+v does not print the data.
func (n NewSession) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, n.String()) }

// LogValue is String.
func (n NewSession) LogValue() slog.Value { return slog.StringValue(n.String()) }

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
