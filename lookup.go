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

// ReadByToken returns the active session that t opens. From memory it takes about a microsecond,
// without I/O or allocation. [Store.Lookup] does the same for the text of a token.
//
// Errors:
//
//   - [ErrNotFound]: the token gives no access. An expired session returns [ErrExpired], and a
//     replaced token a [*RotatedError]. Both are an ErrNotFound.
//   - [ErrOverloaded], [ErrUnavailable], [ErrCorrupt], [ErrClosed], and the context's: they say
//     nothing about the session. Never treat them as "logged out".
func (s *Store) ReadByToken(ctx context.Context, t Token) (Session, error) {
	if t.IsZero() && !s.closed.Load() {
		return Session{}, ErrNotFound // not counted as an unknown token
	}
	raw := t.bytes()
	found, _, err := s.lookup(ctx, &raw)
	return found, err
}

// Lookup is [Store.ReadByToken] for the text of a token, as a request brings it. Text that is not a
// token, such as "", returns [ErrInvalidToken]. It is an [ErrNotFound] too.
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

// lookup returns the active session that a token opens, and what else the token says.
func (s *Store) lookup(ctx context.Context, raw *rawToken) (x Session, f bridge.Found, err error) {
	if s.closed.Load() {
		return x, f, ErrClosed
	}
	h := raw.hash()
	now := s.clock.micros()
	v := s.actor.Peek(&h, now)
	if v == nil {
		if v, now, err = s.cold(ctx, raw, h, now, false); err != nil {
			return x, f, err
		}
	}
	return s.judge(ctx, v, h, now)
}

// judge returns the session of a view that was found by a token's hash, if it is active and that
// token still opens it.
func (s *Store) judge(ctx context.Context, v *actor.View, h persist.Hash, now int64) (x Session, f bridge.Found, err error) {
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

// cold reads a session that is not in memory, and returns the time at which to judge its expiry. A
// read can be slow enough for this race:
//
//  1. The read starts; the session is active.
//  2. Another request renews the session.
//  3. The read returns the row from before, which has expired meanwhile.
//
// So a session counts as expired only if it had expired when the read began. Otherwise cold reads
// again. With verify it asks the database even if the session is in memory.
func (s *Store) cold(ctx context.Context, raw *rawToken, h persist.Hash, began int64, verify bool) (v *actor.View, now int64, err error) {
	for {
		if v, err = s.find(ctx, *raw, h, verify); err != nil {
			return nil, 0, err
		}
		now = s.clock.micros()
		if v.ActiveAt(now) || !v.ActiveAt(began) {
			return v, now, nil
		}
		began = now
	}
}

// find reads a session that is not in memory. With verify it asks the database even if the session
// is in memory. It refuses a token that this store cannot have made, without asking the disk.
func (s *Store) find(ctx context.Context, raw rawToken, h persist.Hash, verify bool) (v *actor.View, err error) {
	if !raw.sealedBy(s.keys().seal) {
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

// checkRotated refuses a previous token whose grace is over. When the new token is first presented,
// it starts the grace period of the previous one.
func (s *Store) checkRotated(ctx context.Context, v *actor.View, h persist.Hash, now int64) error {
	if v.Previous == h {
		if now < v.Until {
			return nil
		}
		return rotatedError(v.ID, v.At)
	}
	if v.Until == persist.Unseen {
		// A failure does not matter: the next read tries again.
		_ = s.actor.Seen(ctx, v.ID, h, now+s.cfg.RotateGrace.Microseconds())
	}
	return nil
}

// Read returns a session by its ID, even if it has expired and is not deleted yet. A read does not
// count as an access. Errors: [ErrNotFound], and those of [Store.ReadByToken] that say nothing
// about the session.
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

// ListForUser returns the user's active sessions, the most recently active first (ties: the newest
// ID first). It includes changes that are not on disk yet. A row that cannot be read is left out,
// counted in Stats.Unreadable and logged. A user without sessions is not an error.
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

// ready returns why a call about a user cannot proceed, or nil.
func (s *Store) ready(userID string) error {
	if s.closed.Load() {
		return ErrClosed
	}
	return checkUserID(userID)
}

func (s *Store) userKey(userID string) persist.UserKey {
	return persist.UserKey{Tag: routingTag(s.keys().store, userID), ID: userID}
}
