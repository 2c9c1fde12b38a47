package middleware

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/object"
)

// Login is a login with options, for [Handle.Login]. It prints as its user. Its JSON leaves out the
// data. In an unexported field it prints with the data, because package fmt calls no methods there.
type Login struct {
	UserID      string
	Data        any           `json:"-" xml:"-" yaml:"-"` // must encode to a JSON object; overrides carried-over keys; nil = nothing
	TTL         time.Duration // idle timeout ("remember me"); 0 = the store's; more than MaxLifetime is sessile.ErrInvalidTime
	MaxLifetime time.Duration // absolute timeout; 0 = the store's; or sessile.NoMaxLifetime
	CarryOver   []string      // keys to carry over, in addition to Options.CarryOver
	DeviceName  string        // for Devices; "" = named after the User-Agent

	// Remember says whether the cookie outlives the browser. The session keeps the choice: renewals,
	// rotations and restarts do not change it. By default Options.Cookie.SessionCookie decides.
	//
	// It does not change the lifetimes. A "remember me" box usually sets both:
	//
	//	l := middleware.Login{UserID: user, Remember: sessile.RememberNo, TTL: time.Hour}
	//	if r.PostFormValue("remember") != "" {
	//		l.Remember, l.TTL = sessile.RememberYes, 30*24*time.Hour
	//	}
	Remember sessile.Remember
	// APIToken makes [Handle.Issue] issue a token for a script or another program; see
	// [sessile.NewSession]. Handle.Login refuses it.
	APIToken bool

	// Confirm checks that this login is still right, above all that the checked password is still the
	// account's. It runs when the new session exists and before anybody has its token. If it returns
	// an error or panics, the new session is destroyed, and Login returns the error. A session of the
	// same user that was replaced stays ended.
	//
	// Confirm closes this race (ASVS 7.4.3):
	//
	//  1. A thief logs in with the old password, and the check succeeds.
	//  2. The owner changes the password and ends all sessions.
	//  3. The thief's session is created.
	//
	// Change the password first, and then end the sessions. Then either the thief's session exists
	// when all are ended, or Confirm sees the new password.
	//
	// Confirm must not use the request's Handle: it would deadlock.
	Confirm func(context.Context) error `json:"-" xml:"-" yaml:"-"`
}

// Authenticate logs a user in. The session is new, with a new ID and token, whatever the client
// held before (OWASP: session fixation). It is [Handle.Login] without options.
func (h *Handle) Authenticate(ctx context.Context, userID string) error {
	return h.Login(ctx, Login{UserID: userID})
}

// Login logs a user in with a new session. The session is on disk (fsync) when Login returns nil.
// It ends every other session that the client's cookies open. Later changes go into the new
// session.
//
// It carries over the keys in Options.CarryOver and Login.CarryOver from the request's session,
// including pending changes, unless that session belongs to another user. If the session has ended
// meanwhile, only pending changes are carried over.
//
// A session of the same user is replaced in the transaction that creates the new one. So it does
// not count toward the store's MaxSessionsPerUser, and it stays valid until the new one exists.
// Other sessions end afterwards.
//
// After an error the request keeps its session, with two exceptions: after [sessile.ErrUnknown],
// and after an error of Login.Confirm, a session of the same user may have ended.
//
// The new session is destroyed if the response never begins, if it cannot be committed, or if it
// comes too late for an http.TimeoutHandler around the middleware.
func (h *Handle) Login(ctx context.Context, l Login) error {
	h.enter()
	defer h.mu.Unlock()
	if err := h.changeable(); err != nil {
		return err
	}
	if l.APIToken {
		return errAPILogin
	}
	data, err := h.carry(ctx, l, slices.Concat(h.m.opts.CarryOver, l.CarryOver))
	if err != nil {
		return err
	}
	s, t, err := h.create(ctx, l, sessile.NewSession{Data: data, Replaces: h.replaces(ctx, l.UserID)})
	if err != nil {
		return err
	}
	if err := h.confirm(ctx, l, s.ID()); err != nil {
		return err
	}
	h.replaceSent() // before the old session ends, so that requests in flight keep the cookie
	if h.has() && h.cur.userID() != l.UserID {
		// ErrNotDurable is good enough here, because the old session is refused. After any other error it
		// would still be active.
		if err := h.m.store.Destroy(ctx, h.cur.id(), sessile.EndReplaced); err != nil && !errors.Is(err, sessile.ErrNotDurable) {
			return errors.Join(err, h.m.store.Destroy(ctx, s.ID(), sessile.EndTokenLost))
		}
	}
	if err := h.endOthersSent(ctx); !refused(err) {
		return errors.Join(err, h.m.store.Destroy(ctx, s.ID(), sessile.EndTokenLost))
	}
	h.begin(s, t)
	return nil
}

// create creates the session of a login. n has what the login does not say.
func (h *Handle) create(ctx context.Context, l Login, n sessile.NewSession) (sessile.Session, sessile.Token, error) {
	n.UserID, n.Meta, n.TTL, n.MaxLifetime = l.UserID, h.meta(), l.TTL, l.MaxLifetime
	n.Remember, n.APIToken = l.Remember, l.APIToken
	if l.APIToken { // the client of this request only asks for the token
		n.Meta = sessile.Meta{IPAddress: n.Meta.IPAddress}
	}
	if l.DeviceName != "" {
		n.Meta.DeviceName = l.DeviceName
	}
	return h.m.store.CreateWith(ctx, n)
}

// confirm asks the application whether the login is right. It destroys a session that is not
// confirmed, also if Confirm panics.
func (h *Handle) confirm(ctx context.Context, l Login, id sessile.ID) (err error) {
	if l.Confirm == nil {
		return nil
	}
	confirmed := false
	defer func() {
		if !confirmed {
			_ = h.m.store.Destroy(h.m.deadline.next(), id, sessile.EndTokenLost) // nobody has its token; the store retries and logs failures
			_ = h.check(ctx)                                                     // the new session may have replaced the request's
		}
	}()
	err = l.Confirm(ctx)
	confirmed = err == nil
	return err
}

// replaces returns the session that a login of user replaces. It is the request's session, or, if
// that is another user's, one of a later cookie. It also notes the replaced token, because requests
// with that token may be in flight.
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

// carry returns the data of a new session: the carried-over keys, overridden by the login's data.
func (h *Handle) carry(ctx context.Context, l Login, names []string) (map[string]json.RawMessage, error) {
	data := make(map[string]json.RawMessage)
	if user := h.cur.userID(); h.has() && user != "" && user != l.UserID {
		return data, l.overlay(data) // carry nothing over from another user
	}
	if len(names) > 0 {
		if err := h.reread(ctx); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
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
	return data, l.overlay(data)
}

// named returns the keys that an entry of CarryOver stands for.
func (h *Handle) named(name string) []string {
	if name != FlashKey {
		return []string{name}
	}
	return h.flashKeys()
}

// overlay adds the login's data to data.
func (l *Login) overlay(data map[string]json.RawMessage) error {
	if l.Data == nil {
		return nil
	}
	raw, err := object.Encode(l.Data, object.MaxValueDepth)
	if err != nil {
		return fmt.Errorf("login data: %w", err)
	}
	var own map[string]json.RawMessage
	if json.Unmarshal(raw, &own) != nil {
		return fmt.Errorf("login data: %w: not a JSON object", sessile.ErrInvalidData)
	}
	maps.Copy(data, own)
	return nil
}

// createGuest creates a guest session for the pending changes.
func (h *Handle) createGuest(ctx context.Context) error {
	data := make(map[string]json.RawMessage, len(h.pending))
	for _, c := range h.pending {
		if c.value != nil {
			data[c.key] = c.value
		}
	}
	if len(data) == 0 {
		return nil
	}
	if h.presence != absent || h.sentWasReplaced() { // a parallel request ended the session or logged in, and wins
		h.reserve()
		h.pending = nil
		return sessile.ErrNotFound
	}
	s, t, err := h.m.store.CreateWith(ctx, sessile.NewSession{
		Guest: true, Meta: h.meta(), Data: data, TTL: h.m.opts.GuestTTL, MaxLifetime: h.m.opts.GuestMaxLifetime,
	})
	if err == nil {
		h.begin(s, t)
	}
	return err
}

// Rotate gives the session a new token and keeps everything else. When it returns nil, the new
// token is on disk (fsync) and the old one gives no access. Call it after every change of
// privilege. Pending changes stay pending.
//
// It returns a [*sessile.RotatedError] if another request has replaced the token meanwhile.
func (h *Handle) Rotate(ctx context.Context) error { return h.rotate(ctx, sessile.Rotation{}) }

// Reauthenticate records that the user has just authenticated again, for [RequireFresh]. It also
// rotates the token, by the rules of [Handle.Rotate].
func (h *Handle) Reauthenticate(ctx context.Context) error {
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
			h.standing, h.fate = tokenReplaced, keepCookie // the browser has, or gets, the other request's cookie
			return err
		}
		return h.unlessEnded(err)
	}
	h.m.replace(h.cur.token().Reveal()) // a request with the old token may still be in flight after the next rotation
	h.cur.session, h.cur.fresh, h.fate = s, t, sendCookie
	if h.standing = tokenCurrent; h.presence == found {
		h.standing = tokenOurs
	}
	return nil
}
