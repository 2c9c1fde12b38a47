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

// maxUserID bounds a user id, bytes.
const maxUserID = 512

// checkUserID refuses ids that cannot be told apart or stored.
func checkUserID(id string) error {
	if id == "" || len(id) > maxUserID || !utf8.ValidString(id) || strings.IndexByte(id, 0) >= 0 {
		return ErrInvalidUserID
	}
	return nil
}

// NewSession is what [Store.CreateWith] makes a session of. It prints as its user, and its
// JSON leaves out data and fingerprint.
type NewSession struct {
	UserID      string
	Meta        Meta
	Data        any           `json:"-" xml:"-" yaml:"-"` // encodes to a JSON object; nil = {}
	TTL         time.Duration // sliding lifetime, 0 = Config.TTL, or MaxLifetime if that is less; more than MaxLifetime is ErrInvalidTime
	MaxLifetime time.Duration // absolute lifetime, 0 = Config.MaxLifetime; or NoMaxLifetime
	Guest       bool          // a session without a user
	// Replaces is the session that the client had before this login. It ends in the same
	// transaction, so it does not count toward Config.MaxSessionsPerUser, and it is refused
	// from the moment at which the new one is returned. A guest's session, or one of another
	// user, stays as it is. An ID that no session has is no error.
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

// Create begins a session of a user and returns it with its token. The token cannot be had
// again later. data is anything that encodes to a JSON object; nil is {}.
//
// If the user then has more than Config.MaxSessionsPerUser, the same transaction evicts the
// least recently active ones, never the new one. With [LimitRefuseNew] the result is
// [ErrLimitReached] instead.
//
// The session is on disk (fsync) when Create returns nil. After an error there is no token,
// and no session is left behind.
func (s *Store) Create(ctx context.Context, m Meta, userID string, data any) (Session, Token, error) {
	return s.CreateWith(ctx, NewSession{UserID: userID, Meta: m, Data: data})
}

// CreateWith is [Store.Create] with choices for this session: its lifetimes
// ("remember me"), no user at all (a guest), or a session that it replaces. Durable
// like Create. After [ErrUnknown] the session to be replaced may have ended.
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
	if ctx.Err() != nil { // nobody waits for the token any more
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

// record makes the record of a new session, without data, id and token.
func (s *Store) record(n NewSession) (*persist.Record, persist.Limit, error) {
	ttl, life, err := s.lifetimes(n)
	if err != nil {
		return nil, persist.Limit{}, err
	}
	var defaults persist.Defaults
	if n.TTL == 0 {
		defaults |= persist.DefaultTTL
	}
	if n.MaxLifetime == 0 {
		defaults |= persist.DefaultLifetime
	}
	limit := persist.Limit{Refuse: s.cfg.OnLimit == LimitRefuseNew}
	if s.cfg.MaxSessionsPerUser > 0 {
		limit.Max = s.cfg.MaxSessionsPerUser
	}
	if n.Guest {
		limit = persist.Limit{Max: s.cfg.MaxGuests}
		if n.UserID != "" {
			return nil, limit, fmt.Errorf("guest session: %w", ErrInvalidUserID)
		}
	} else if err := checkUserID(n.UserID); err != nil {
		return nil, limit, err
	}
	now, m := s.clock.micros(), n.Meta.clean()
	deadline := int64(persist.NoDeadline)
	if life > 0 {
		deadline = now + life.Microseconds()
	}
	return &persist.Record{
		Identity: &persist.Identity{
			// A copy: the id decides who somebody is, and callers above fasthttp have it in
			// a buffer that is the next request's.
			UserID: strings.Clone(n.UserID), IPAddress: m.IPAddress, UserAgent: m.UserAgent, DeviceName: m.DeviceName,
			DeviceType: m.DeviceType, Fingerprint: m.Fingerprint,
			CreatedAt: now, Deadline: deadline, TTL: ttl.Microseconds(), Defaults: defaults,
		},
		Version: 1, LastActive: now, ExpiresAt: min(now+ttl.Microseconds(), deadline),
	}, limit, nil
}

// maxLifetime keeps every instant a session can reach within what a time.Time
// and a cookie can say.
const maxLifetime = 100 * 365 * 24 * time.Hour

// lifetimes are the sliding and the absolute lifetime of a new session; an
// absolute one of 0 means none, and only by name (S28).
func (s *Store) lifetimes(n NewSession) (ttl, life time.Duration, err error) {
	life = cmp.Or(n.MaxLifetime, s.cfg.MaxLifetime)
	ttl = cmp.Or(n.TTL, within(s.cfg.TTL, life))
	limited := life != NoMaxLifetime
	switch {
	case limited && (life < time.Second || life > maxLifetime):
		err = fmt.Errorf("%w: a MaxLifetime of %v is not between %v and %v", ErrInvalidTime, life, time.Second, maxLifetime)
	case ttl < time.Microsecond || ttl > maxLifetime:
		err = fmt.Errorf("%w: a TTL of %v is not between %v and %v", ErrInvalidTime, ttl, time.Microsecond, maxLifetime)
	case limited && ttl > life:
		err = fmt.Errorf("%w: a TTL of %v is longer than the MaxLifetime, %v", ErrInvalidTime, ttl, life)
	case !limited:
		life = 0
	}
	if err != nil {
		return 0, 0, fmt.Errorf("session lifetime: %w", err)
	}
	return ttl, life, nil
}

// mintToken gives rec its id and token. The tag routes: a user's sessions all
// have the user's, a guest has its own id's.
func (s *Store) mintToken(rec *persist.Record) (Token, error) {
	tag := routingTag(s.storeKey, rec.UserID)
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
	t, err := newToken(s.sealKey, tag, s.cfg.entropy)
	if err != nil {
		return Token{}, err
	}
	rec.ID, rec.Hash = persist.ID(id), t.hash()
	return t, nil
}
