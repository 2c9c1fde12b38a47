package sessile

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"github.com/sessile/sessile/actor"
	"github.com/sessile/sessile/internal/bridge"
	"github.com/sessile/sessile/persist"
)

// ReadByToken returns the active session that t opens. From memory that takes
// about a microsecond, no I/O and no allocation.
//
// Errors: [ErrNotFound] (also for an expired session, as [ErrExpired], and for a
// token that was replaced, as [*RotatedError]); [ErrOverloaded], [ErrUnavailable],
// [ErrCorrupt] and the context's, which say nothing about the session and must
// not be taken for "logged out".
func (s *Store) ReadByToken(ctx context.Context, t Token) (Session, error) {
	if t.IsZero() && !s.closed.Load() {
		return Session{}, ErrNotFound // nobody's forgery
	}
	raw := t.bytes()
	found, _, err := s.lookup(ctx, &raw)
	return found, err
}

// Lookup is [Store.ReadByToken] for the text form of a token, as a request brings it. A text
// that is no token is [ErrInvalidToken].
func (s *Store) Lookup(ctx context.Context, token string) (Session, error) {
	found, _, err := s.lookupText(ctx, token)
	return found, err
}

func (s *Store) lookupText(ctx context.Context, token string) (Session, bridge.Found, error) {
	raw, ok := parseToken(token)
	if !ok {
		return Session{}, bridge.Found{}, ErrInvalidToken
	}
	return s.lookup(ctx, &raw)
}

// lookup finds the active session that a token opens, and what else the token tells.
func (s *Store) lookup(ctx context.Context, raw *rawToken) (x Session, f bridge.Found, err error) {
	if s.closed.Load() {
		return x, f, ErrClosed
	}
	h := raw.hash()
	now := s.clock.micros()
	v := s.actor.Peek(&h, now)
	if v == nil {
		if v, now, err = s.cold(ctx, raw, h, now); err != nil {
			return x, f, err
		}
	}
	if !v.ActiveAt(now) {
		return x, f, ErrExpired
	}
	replaced := false
	if v.Rotation != nil {
		if err := s.checkRotated(ctx, v, h, now); err != nil {
			return x, f, err
		}
		replaced, f.SuccessorLost = v.Previous == h, v.SuccessorLost(h, now)
	}
	interval := min(s.touch, v.TTL/2)
	f.TouchDue, f.AnnounceDue = now-v.LastActive >= interval, now-v.Announced >= interval
	return Session{view: v, replaced: replaced}, f, nil
}

// cold finds what is not in memory, and the time to judge it by. A read may take long
// enough for its session to expire meanwhile, and to be renewed before that by somebody
// else: then it looks again, so that only what had expired when a read began has expired.
func (s *Store) cold(ctx context.Context, raw *rawToken, h persist.Hash, began int64) (v *actor.View, now int64, err error) {
	for {
		if v, err = s.find(ctx, *raw, h, false); err != nil {
			return nil, 0, err
		}
		now = s.clock.micros()
		if v.ActiveAt(now) || !v.ActiveAt(began) {
			return v, now, nil
		}
		began = now
	}
}

// find asks for what is not in memory, or by way of the database whatever is in memory. A
// token that this store cannot have made is not looked for.
func (s *Store) find(ctx context.Context, raw rawToken, h persist.Hash, verify bool) (v *actor.View, err error) {
	if !raw.sealedBy(s.sealKey) {
		s.forged.Add(1)
		return nil, ErrNotFound
	}
	k := persist.TokenKey{Tag: raw.tag(), Hash: h}
	if verify {
		v, err = s.actor.Verify(ctx, k)
	} else {
		v, err = s.actor.Find(ctx, k)
	}
	if err == nil {
		return v, nil
	}
	if r, ok := errors.AsType[*actor.RotatedError](err); ok {
		return nil, rotatedError(r.ID, r.At)
	}
	if errors.Is(err, persist.ErrNotFound) {
		return nil, ErrNotFound
	}
	return nil, fmt.Errorf("reading session by token: %w", err)
}

// checkRotated refuses a previous token whose grace is over, and lets that
// grace run out once the new token has come back.
func (s *Store) checkRotated(ctx context.Context, v *actor.View, h persist.Hash, now int64) error {
	if v.Previous == h {
		if now < v.Until {
			return nil
		}
		return rotatedError(v.ID, v.At)
	}
	if v.Until == persist.Unseen {
		// The read has succeeded whatever becomes of this note: the next read makes it again.
		_ = s.actor.Seen(ctx, v.ID, h, now+s.cfg.RotateGrace.Microseconds())
	}
	return nil
}

// Read returns a session by its ID, even if it has expired. Reading is not an access.
func (s *Store) Read(ctx context.Context, id ID) (Session, error) {
	if s.closed.Load() {
		return Session{}, ErrClosed
	}
	v, err := s.actor.Read(ctx, persist.ID(id))
	if err != nil {
		return Session{}, fmt.Errorf("reading session %s: %w", id, err)
	}
	return Session{view: v}, nil
}

// ListForUser returns the user's active sessions, the most recently active first
// (ties: the newest id first), with changes that are not on disk yet. A row that
// cannot be read is left out, counted in [Stats] and logged.
func (s *Store) ListForUser(ctx context.Context, userID string) ([]Session, error) {
	if err := s.ready(userID); err != nil {
		return nil, err
	}
	views, unreadable, err := s.actor.List(ctx, s.userKey(userID))
	if err != nil {
		return nil, fmt.Errorf("listing sessions of a user: %w", err)
	}
	if unreadable > 0 {
		s.log.Warn("unreadable sessions were left out of a list", zap.Int("count", unreadable))
	}
	slices.SortFunc(views, func(a, b *actor.View) int {
		return cmp.Or(cmp.Compare(b.LastActive, a.LastActive), slices.Compare(b.ID[:], a.ID[:]))
	})
	list := make([]Session, len(views))
	for i, v := range views {
		list[i] = Session{view: v}
	}
	return list, nil
}

// ready refuses what no call about a user may do.
func (s *Store) ready(userID string) error {
	if s.closed.Load() {
		return ErrClosed
	}
	return checkUserID(userID)
}

func (s *Store) userKey(userID string) persist.UserKey {
	return persist.UserKey{Tag: routingTag(s.storeKey, userID), ID: userID}
}
