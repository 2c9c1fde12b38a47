package sessile

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sessile/sessile/persist"
)

// maxUserID limits a user ID, in bytes.
const maxUserID = 512

// checkUserID refuses IDs that are ambiguous or cannot be stored.
func checkUserID(id string) error {
	if id == "" || len(id) > maxUserID || !utf8.ValidString(id) || strings.IndexByte(id, 0) >= 0 {
		return ErrInvalidUserID
	}
	return nil
}

// NewSession describes the session that [Store.CreateWith] creates. It prints as its user. Its JSON
// leaves out data and fingerprint. In an unexported field it prints with both, because package fmt
// calls no methods there.
type NewSession struct {
	UserID      string
	Meta        Meta
	Data        any           `json:"-" xml:"-" yaml:"-"` // must encode to a JSON object; nil = {}
	TTL         time.Duration // idle timeout; 0 = Config.TTL, or MaxLifetime if that is less; more than MaxLifetime is ErrInvalidTime
	MaxLifetime time.Duration // absolute timeout; 0 = Config.MaxLifetime; or NoMaxLifetime
	Guest       bool          // the session has no user; UserID must be empty
	Remember    Remember      // whether the token outlives the browser
	// APIToken marks the session of a script or another program, rather than a browser. It counts
	// toward Config.MaxAPITokensPerUser instead of MaxSessionsPerUser, and never evicts another
	// session. It is not a recent authentication: Session.AuthenticatedAt is zero. Whatever ends all
	// sessions of a user ends it too.
	APIToken bool
	// Replaces is the session that the client had before this login. It ends in the same transaction,
	// so it does not count toward Config.MaxSessionsPerUser. The store refuses it from the moment the
	// new session is returned. A guest's session, or one of another user, is left alone. An unknown ID
	// is not an error.
	Replaces ID
}

// String returns the user, for logs.
func (n NewSession) String() string {
	if n.Guest {
		return "NewSession(guest)"
	}
	return "NewSession(user " + strconv.Quote(n.UserID) + ")"
}

// GoString returns the same as String.
func (n NewSession) GoString() string { return n.String() }

// Format prints String for every verb, so %+v does not print the data.
func (n NewSession) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, n.String()) }

// LogValue returns String for slog.
func (n NewSession) LogValue() slog.Value { return slog.StringValue(n.String()) }

// Create creates a session for a user and returns it with its token. This is the only time that the
// token is returned. data must encode to a JSON object; nil means {}.
//
// If the user then has more than Config.MaxSessionsPerUser sessions, the same transaction evicts
// the least recently active ones, never the new one. With [LimitRefuseNew] Create returns
// [ErrLimitReached] instead.
//
// The session is on disk (fsync) when Create returns nil. After an error the caller gets no token.
// If a failed write may have stored the session ([ErrUnknown]), the store destroys it, and sessions
// may have been evicted.
//
// Errors: [ErrInvalidUserID], [ErrInvalidData], [ErrDataTooLarge], [ErrLimitReached],
// [ErrConflict], [ErrOverloaded], [ErrUnavailable], [ErrUnknown], [ErrClosed], and the context's.
func (s *Store) Create(ctx context.Context, m Meta, userID string, data any) (Session, Token, error) {
	return s.CreateWith(ctx, NewSession{UserID: userID, Meta: m, Data: data})
}

// CreateWith is [Store.Create] with options: lifetimes of its own ("remember me"), a guest session
// without a user, an API token, or a session that the new one replaces. It is durable like Create.
//
// Invalid lifetimes return [ErrInvalidTime]. After [ErrUnknown] the session named by
// NewSession.Replaces may have ended.
func (s *Store) CreateWith(ctx context.Context, n NewSession) (Session, Token, error) {
	if s.closed.Load() {
		return Session{}, Token{}, ErrClosed
	}
	rec, limit, err := s.record(n)
	if err != nil {
		return Session{}, Token{}, err
	}
	doc, err := encodeData(n.Data, s.cfg.MaxDataBytes)
	if err != nil {
		return Session{}, Token{}, err
	}
	rec.Data = doc.JSON()
	if ctx.Err() != nil {
		return Session{}, Token{}, fmt.Errorf("creating session: %w", context.Cause(ctx))
	}
	t, err := s.mintToken(rec)
	if err != nil {
		return Session{}, Token{}, err
	}
	v, err := s.actor.Create(ctx, rec, limit, persist.ID(n.Replaces))
	if err != nil {
		return Session{}, Token{}, fmt.Errorf("creating session: %w", err)
	}
	return Session{view: v}, t, nil
}

// record returns the record of a new session, without data, ID and token.
func (s *Store) record(n NewSession) (*persist.Record, persist.Limit, error) {
	ttl, life, err := s.lifetimes(n)
	if err != nil {
		return nil, persist.Limit{}, err
	}
	limit, err := s.limit(n)
	if err != nil {
		return nil, limit, err
	}
	now, m := s.clock.micros(), n.Meta.clean()
	deadline := int64(persist.NoDeadline)
	if life > 0 {
		deadline = now + life.Microseconds()
	}
	rec := &persist.Record{
		Identity: &persist.Identity{
			// A copy: fasthttp reuses the memory of its strings for the next request.
			UserID: strings.Clone(n.UserID), IPAddress: m.IPAddress, UserAgent: m.UserAgent, DeviceName: m.DeviceName,
			DeviceType: m.DeviceType, Fingerprint: m.Fingerprint,
			CreatedAt: now, Deadline: deadline, TTL: ttl.Microseconds(), Flags: n.flags(),
		},
		Version: 1, LastActive: now, ExpiresAt: min(now+ttl.Microseconds(), deadline),
	}
	if n.APIToken {
		rec.AuthAt = persist.Unproven // else a token of an old login would pass for a recent one
	}
	return rec, limit, nil
}

// flags returns the choices of a new session.
func (n *NewSession) flags() persist.Flags {
	f := n.Remember.flags()
	if n.TTL == 0 {
		f |= persist.DefaultTTL
	}
	if n.MaxLifetime == 0 {
		f |= persist.DefaultLifetime
	}
	if n.APIToken {
		f |= persist.APIToken
	}
	return f
}

// limit returns the limit that a new session counts toward. An error means that it has no user, or a
// guest has one.
func (s *Store) limit(n NewSession) (persist.Limit, error) {
	switch {
	case n.Guest && (n.UserID != "" || n.APIToken):
		return persist.Limit{}, fmt.Errorf("guest session: %w", ErrInvalidUserID)
	case n.Guest:
		return persist.Limit{Max: s.cfg.MaxGuests}, nil
	case n.APIToken:
		return persist.Limit{Max: max(s.cfg.MaxAPITokensPerUser, 0), Refuse: true}, checkUserID(n.UserID)
	default:
		return persist.Limit{Max: max(s.cfg.MaxSessionsPerUser, 0), Refuse: s.cfg.OnLimit == LimitRefuseNew}, checkUserID(n.UserID)
	}
}

// maxLifetime keeps every time of a session within the range of time.Time and of a cookie.
const maxLifetime = 100 * 365 * 24 * time.Hour

// lifetimes returns the idle and the absolute timeout of a new session. Only
// NoMaxLifetime means that there is no absolute timeout, and life is 0 then (S28).
func (s *Store) lifetimes(n NewSession) (ttl, life time.Duration, err error) {
	life = cmp.Or(n.MaxLifetime, s.cfg.MaxLifetime)
	ttl = cmp.Or(n.TTL, within(s.cfg.TTL, life))
	limited := life != NoMaxLifetime
	switch {
	case limited && (life < time.Second || life > maxLifetime):
		err = fmt.Errorf("%w: MaxLifetime %v is not between %v and %v", ErrInvalidTime, life, time.Second, maxLifetime)
	case ttl < time.Microsecond || ttl > maxLifetime:
		err = fmt.Errorf("%w: TTL %v is not between %v and %v", ErrInvalidTime, ttl, time.Microsecond, maxLifetime)
	case limited && ttl > life:
		err = fmt.Errorf("%w: TTL %v is longer than MaxLifetime, %v", ErrInvalidTime, ttl, life)
	case !limited:
		life = 0
	}
	if err != nil {
		return 0, 0, fmt.Errorf("session lifetime: %w", err)
	}
	return ttl, life, nil
}

// mintToken gives rec an ID and a token. Both carry a routing tag: all sessions of a user share
// one, and a guest session gets a random one.
func (s *Store) mintToken(rec *persist.Record) (Token, error) {
	tag := routingTag(s.keys().store, rec.UserID)
	if rec.UserID == "" {
		var err error
		if tag, err = randomTag(s.cfg.entropy); err != nil {
			return Token{}, err
		}
	}
	id, err := newID(fromMicros(rec.CreatedAt), tag, s.cfg.entropy)
	if err != nil {
		return Token{}, err
	}
	t, err := newToken(s.keys().seal, tag, s.cfg.entropy)
	if err != nil {
		return Token{}, err
	}
	rec.ID, rec.Hash = persist.ID(id), t.hash()
	return t, nil
}
