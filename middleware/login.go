package middleware

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/sessile/sessile"
)

// Login is a login with choices.
type Login struct {
	UserID      string
	Data        any           // encodes to a JSON object, over what is carried; nil = nothing
	TTL         time.Duration // sliding lifetime ("remember me"), 0 = the store's
	MaxLifetime time.Duration // absolute lifetime, 0 = the store's; or sessile.NoMaxLifetime
	CarryOver   []string      // keys taken along, beside Options.CarryOver
}

// Authenticate logs userID in: a new session with a new id and token, whatever
// the client held before (OWASP: session fixation). Keys named in
// Options.CarryOver come along, pending changes of them included, unless the
// session before was another user's; then it is destroyed. What is set after
// Authenticate goes into the new session.
//
// It is on disk (fsync) when Authenticate returns nil. After an error the request
// has the session that it had. If the response never begins, or cannot be
// committed, the new session is destroyed too.
func (h *Handle) Authenticate(ctx context.Context, userID string) error {
	return h.AuthenticateLogin(ctx, Login{UserID: userID})
}

// AuthenticateWith is [Handle.Authenticate] with data for the new session.
func (h *Handle) AuthenticateWith(ctx context.Context, userID string, data any) error {
	return h.AuthenticateLogin(ctx, Login{UserID: userID, Data: data})
}

// AuthenticateLogin is [Handle.Authenticate] with choices.
func (h *Handle) AuthenticateLogin(ctx context.Context, l Login) error {
	h.enter()
	defer h.mu.Unlock()
	if err := h.changeable(); err != nil {
		return err
	}
	data, err := h.carry(l)
	if err != nil {
		return err
	}
	s, t, err := h.m.store.CreateWith(ctx, sessile.NewSession{
		UserID: l.UserID, Meta: h.meta(), Data: data, TTL: l.TTL, MaxLifetime: l.MaxLifetime,
	})
	if err != nil {
		return err
	}
	h.replaceSent() // before it is dead, for those who find it so
	if h.has {
		// Refused from now on is enough here; anything less, and the old token would live on.
		if err := h.m.store.Destroy(ctx, h.cur.id()); err != nil && !errors.Is(err, sessile.ErrNotDurable) {
			return errors.Join(err, h.m.store.Destroy(ctx, s.ID))
		}
	}
	h.begin(s, t)
	return nil
}

// carry is the data of a new session: what is carried over, under what the login brings.
func (h *Handle) carry(l Login) (map[string]json.RawMessage, error) {
	data := make(map[string]json.RawMessage)
	if user := h.cur.userID(); h.has && user != "" && user != l.UserID {
		return data, l.overlay(data) // what belongs to another user stays with them
	}
	for _, keys := range [][]string{h.m.opts.CarryOver, l.CarryOver} {
		for _, name := range keys {
			for _, key := range h.named(name) {
				v, ok, err := get[json.RawMessage](h, key)
				if err != nil {
					return nil, err
				}
				if ok {
					data[key] = v
				}
			}
		}
	}
	return data, l.overlay(data)
}

// named are the keys that an entry of CarryOver stands for.
func (h *Handle) named(name string) []string {
	if name != FlashKey {
		return []string{name}
	}
	return h.flashKeys()
}

// overlay puts what the login brings over data.
func (l *Login) overlay(data map[string]json.RawMessage) error {
	if l.Data == nil {
		return nil
	}
	raw, err := sessile.Encode(l.Data)
	var own map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(raw, &own)
	}
	if err != nil {
		return fmt.Errorf("data of the new session: %w", sessile.ErrInvalidData)
	}
	maps.Copy(data, own)
	return nil
}

// createGuest creates the session that pending changes of a visitor need.
func (h *Handle) createGuest(ctx context.Context) error {
	data := make(map[string]json.RawMessage, len(h.pending))
	for _, c := range h.pending {
		if c.value != nil {
			data[c.key] = c.value
		}
	}
	if len(data) == 0 {
		h.pending = nil
		return nil
	}
	if h.sentWasReplaced() { // a parallel request has logged in, and wins
		h.reserved, h.pending = true, nil
		return sessile.ErrNotFound
	}
	s, t, err := h.m.store.CreateWith(ctx, sessile.NewSession{
		Guest: true, Meta: h.meta(), Data: data, TTL: h.m.opts.GuestTTL,
	})
	if err == nil {
		h.begin(s, t)
	}
	return err
}

// Rotate gives the session a new token and keeps everything else; the old token
// is dead, and that on disk (fsync), when Rotate returns nil. Do it after every
// change of privilege. Pending changes stay pending.
func (h *Handle) Rotate(ctx context.Context) error { return h.rotate(ctx, sessile.Rotation{}) }

// Reauthenticated notes that the user has just proved again who they are, for
// [RequireFresh], and rotates the token, under the rules of [Handle.Rotate].
func (h *Handle) Reauthenticated(ctx context.Context) error {
	return h.rotate(ctx, sessile.Rotation{Reauthenticated: true})
}

func (h *Handle) rotate(ctx context.Context, r sessile.Rotation) error {
	h.enter()
	defer h.mu.Unlock()
	if err := h.needsSession(); err != nil {
		return err
	}
	if err := h.changeable(); err != nil {
		return err
	}
	if !h.superseded {
		r.From = h.cur.token()
	}
	t, err := h.m.store.Rotate(ctx, h.cur.id(), r)
	if err != nil {
		if _, rotated := errors.AsType[*sessile.RotatedError](err); rotated {
			h.overtaken, h.fate = true, keepCookie // the browser has, or gets, the winner's
		} else if errors.Is(err, sessile.ErrNotFound) {
			h.ended()
		}
		return err
	}
	h.m.replace(h.cur.token().Reveal()) // a request may be under way with it still after the next rotation
	h.cur.fresh, h.fate, h.rotated, h.superseded, h.overtaken = t, sendCookie, true, false, false
	s := h.cur.session()
	s.RotatedAt = h.m.store.Now()
	if r.Reauthenticated {
		s.AuthenticatedAt = s.RotatedAt
	}
	return nil
}
