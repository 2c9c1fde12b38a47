package middleware

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/object"
)

// Login is a login with choices. It prints as its user, and its JSON leaves out the data.
type Login struct {
	UserID      string
	Data        any           `json:"-" xml:"-" yaml:"-"` // encodes to a JSON object, over what is carried; nil = nothing
	TTL         time.Duration // sliding lifetime ("remember me"), 0 = the store's; more than MaxLifetime is sessile.ErrInvalidTime
	MaxLifetime time.Duration // absolute lifetime, 0 = the store's; or sessile.NoMaxLifetime
	CarryOver   []string      // keys taken along, beside Options.CarryOver

	// Confirm checks once more, when the session exists and before anybody has its
	// token, that this login is still right: above all that the password which was
	// checked is still the account's. If it returns an error, the session is
	// destroyed and the error is that of the login. A session of the same user that it
	// has replaced stays ended.
	//
	// It closes a race (ASVS 7.4.3). 1. A thief logs in, and the old password is
	// right. 2. The owner changes the password and ends all sessions. 3. The thief's
	// session is created. A change that comes first to the account and then to its
	// sessions cannot miss a login with Confirm: either the session exists when all
	// are ended, or Confirm sees the new password.
	//
	// It must not use the request's Handle, which waits for it.
	Confirm func(context.Context) error `json:"-" xml:"-" yaml:"-"`
}

// Authenticate logs a user in. The session is new, with a new ID and token, whatever the
// client held before (OWASP: session fixation). [Handle.Login] does the same with choices.
func (h *Handle) Authenticate(ctx context.Context, userID string) error {
	return h.Login(ctx, Login{UserID: userID})
}

// Login logs a user in, with a new session. It ends every session that the client's cookies
// open. The keys of Options.CarryOver come along from the session that counted, pending
// changes included, unless that is another user's; if it has ended meanwhile, only the
// pending changes come along. What is set after Login goes into the new session.
//
// A session of the same user is replaced in one transaction. So it does not count toward the
// store's MaxSessionsPerUser, and it is good until the new one exists. Every other session
// ends after that.
//
// The new session is on disk (fsync) when Login returns nil. After an error the request keeps
// its session, with two exceptions: after [sessile.ErrUnknown] and after an error of
// Login.Confirm a session of the same user may have ended. The new session is destroyed if
// the response never begins, cannot be committed, or comes too late for an
// http.TimeoutHandler around the middleware.
func (h *Handle) Login(ctx context.Context, l Login) error {
	h.enter()
	defer h.mu.Unlock()
	if err := h.changeable(); err != nil {
		return err
	}
	data, err := h.carry(ctx, l)
	if err != nil {
		return err
	}
	s, t, err := h.m.store.CreateWith(ctx, sessile.NewSession{
		UserID: l.UserID, Meta: h.meta(), Data: data, TTL: l.TTL, MaxLifetime: l.MaxLifetime, Replaces: h.replaces(ctx, l.UserID),
	})
	if err != nil {
		return err
	}
	if err := h.confirm(ctx, l, s.ID()); err != nil {
		return err
	}
	h.replaceSent() // before it is dead, for those who find it so
	if h.has() && h.cur.userID() != l.UserID {
		// Refused from now on is enough here; anything less, and the old token would live on.
		if err := h.m.store.Destroy(ctx, h.cur.id()); err != nil && !errors.Is(err, sessile.ErrNotDurable) {
			return errors.Join(err, h.m.store.Destroy(ctx, s.ID()))
		}
	}
	if err := h.endOthersSent(ctx); !refused(err) {
		return errors.Join(err, h.m.store.Destroy(ctx, s.ID()))
	}
	h.begin(s, t)
	return nil
}

// confirm asks the application whether the login is right. A session that is not
// confirmed is destroyed, also if Confirm panics.
func (h *Handle) confirm(ctx context.Context, l Login, id sessile.ID) (err error) {
	if l.Confirm == nil {
		return nil
	}
	confirmed := false
	defer func() {
		if !confirmed {
			_ = h.m.store.Destroy(h.m.deadline.next(), id) // nobody can use it; the store retries and reports
			_ = h.check(ctx)                               // the session before may have ended for it
		}
	}()
	err = l.Confirm(ctx)
	confirmed = err == nil
	return err
}

// replaces is the session that a login of user takes the place of: the request's, or one
// behind it if that is another user's. Requests with its token may be under way, and are
// told what has become of it from its end on.
func (h *Handle) replaces(ctx context.Context, user string) (id sessile.ID) {
	if user == "" {
		return id
	}
	if h.has() && h.cur.userID() == user {
		h.m.replace(h.cur.token().Reveal())
		return h.cur.id()
	}
	if h.bearer {
		return id
	}
	found := h.m.cookie.find(h.req.Header)
	for _, text := range found.sent()[min(int(h.tried), found.n):] {
		if s, err := h.m.store.Lookup(ctx, text); err == nil && s.UserID() == user && h.recognised(ctx, s) {
			h.m.replace(text)
			return s.ID()
		}
	}
	return id
}

// carry is the data of a new session: what is carried over, under what the login brings.
func (h *Handle) carry(ctx context.Context, l Login) (map[string]json.RawMessage, error) {
	data := make(map[string]json.RawMessage)
	if user := h.cur.userID(); h.has() && user != "" && user != l.UserID {
		return data, l.overlay(data) // what belongs to another user stays with them
	}
	if len(h.m.opts.CarryOver)+len(l.CarryOver) > 0 {
		if err := h.reread(ctx); err != nil {
			return nil, err
		}
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
	raw, err := object.Encode(l.Data, object.MaxValueDepth)
	if err != nil {
		return fmt.Errorf("data of the new session: %w", err)
	}
	var own map[string]json.RawMessage
	if json.Unmarshal(raw, &own) != nil {
		return fmt.Errorf("data of the new session is no JSON object: %w", sessile.ErrInvalidData)
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
	if h.presence != absent || h.sentWasReplaced() { // a parallel request has ended the session or logged in, and wins
		h.reserve()
		h.pending = nil
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
	if h.standing != tokenGraced && h.standing != tokenStranded {
		r.From = h.cur.token()
	}
	s, t, err := h.m.store.Rotate(ctx, h.cur.id(), r)
	if err != nil {
		if _, rotated := errors.AsType[*sessile.RotatedError](err); rotated {
			h.standing, h.fate = tokenReplaced, keepCookie // the browser has, or gets, the winner's
			return err
		}
		return h.unlessEnded(err)
	}
	h.m.replace(h.cur.token().Reveal()) // a request may be under way with it still after the next rotation
	h.cur.session, h.cur.fresh, h.fate = s, t, sendCookie
	if h.standing = tokenCurrent; h.presence == found {
		h.standing = tokenOurs
	}
	return nil
}
