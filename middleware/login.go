package middleware

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sessile/sessile"
)

// Login is a login with choices.
type Login struct {
	UserID      string
	Data        any           // encodes to a JSON object, over what is carried; nil = nothing
	TTL         time.Duration // sliding lifetime ("remember me"), 0 = the store's
	MaxLifetime time.Duration // absolute lifetime, 0 = the store's
	CarryOver   []string      // keys taken along, beside Options.CarryOver
}

// Authenticate logs userID in: a new session with a new id and token, whatever
// the client held before (OWASP: session fixation). Keys named in
// Options.CarryOver come along, pending changes of them included; then the old
// session is destroyed. It is on disk when Authenticate returns nil.
func (h *Handle) Authenticate(ctx context.Context, userID string) error {
	return h.AuthenticateLogin(ctx, Login{UserID: userID})
}

// AuthenticateWith is Authenticate with data for the new session.
func (h *Handle) AuthenticateWith(ctx context.Context, userID string, data any) error {
	return h.AuthenticateLogin(ctx, Login{UserID: userID, Data: data})
}

// AuthenticateLogin is Authenticate with choices.
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
	if h.has {
		// Refused from now on is enough here; anything less, and the old token would live on.
		if err := h.m.store.Destroy(ctx, h.session.ID); err != nil && !errors.Is(err, sessile.ErrNotDurable) {
			return errors.Join(err, h.m.store.Destroy(ctx, s.ID))
		}
	}
	h.begin(s, t)
	return nil
}

// changeable reports why the session's cookie cannot change any more.
func (h *Handle) changeable() error {
	switch {
	case h.m == nil:
		return ErrNoMiddleware
	case h.sent:
		return ErrHeadersSent
	default:
		return nil
	}
}

// begin makes s the request's session, with a token that the client must get.
func (h *Handle) begin(s sessile.Session, t sessile.Token) {
	h.session, h.token, h.has = s, t, true
	h.issue, h.left, h.stale, h.superseded, h.pending = true, false, false, false, nil
}

// carry is the data of a new session: what is carried over, under what the login brings.
func (h *Handle) carry(l Login) (map[string]json.RawMessage, error) {
	data := make(map[string]json.RawMessage)
	for _, keys := range [][]string{h.m.opts.CarryOver, l.CarryOver} {
		for _, key := range keys {
			v, ok, err := get[json.RawMessage](h, key)
			if err != nil {
				return nil, err
			}
			if ok {
				data[key] = v
			}
		}
	}
	if l.Data == nil {
		return data, nil
	}
	raw, err := json.Marshal(l.Data)
	if err == nil {
		err = json.Unmarshal(raw, &data)
	}
	if err != nil {
		return nil, fmt.Errorf("data of the new session: %w", sessile.ErrInvalidData)
	}
	return data, nil
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
	s, t, err := h.m.store.CreateWith(ctx, sessile.NewSession{
		Guest: true, Meta: h.meta(), Data: data, TTL: h.m.opts.GuestTTL,
	})
	if err == nil {
		h.begin(s, t)
	}
	return err
}

// Rotate gives the session a new token and keeps everything else; the old token
// is dead when Rotate returns. Do it after every change of privilege.
func (h *Handle) Rotate(ctx context.Context) error { return h.rotate(ctx, sessile.Rotation{}) }

// Reauthenticated notes that the user has just proved again who they are, for
// [RequireFresh], and rotates the token.
func (h *Handle) Reauthenticated(ctx context.Context) error {
	return h.rotate(ctx, sessile.Rotation{Reauthenticated: true})
}

func (h *Handle) rotate(ctx context.Context, r sessile.Rotation) error {
	h.enter()
	defer h.mu.Unlock()
	if err := h.changeable(); err != nil {
		return err
	}
	if !h.has {
		return ErrNoSession
	}
	t, err := h.m.store.Rotate(ctx, h.session.ID, r)
	if err != nil {
		return err
	}
	h.token, h.issue, h.superseded = t, true, false
	h.session.RotatedAt = h.m.store.Now()
	if r.Reauthenticated {
		h.session.AuthenticatedAt = h.session.RotatedAt
	}
	return nil
}

// Logout ends the session, and pending changes with it; without one it does
// nothing. It is refused in memory at once and on disk when Logout returns nil;
// after [sessile.ErrNotDurable] the store keeps trying.
func (h *Handle) Logout(ctx context.Context) error {
	h.enter()
	defer h.mu.Unlock()
	return h.logout(ctx)
}

func (h *Handle) logout(ctx context.Context) error {
	if h.m == nil {
		return ErrNoMiddleware
	}
	if !h.has {
		return nil
	}
	err := h.m.store.Destroy(ctx, h.session.ID)
	if err == nil || errors.Is(err, sessile.ErrNotDurable) {
		h.end()
	}
	return err
}

// end leaves the request without a session.
func (h *Handle) end() {
	h.session, h.token, h.has = sessile.Session{}, sessile.Token{}, false
	h.pending, h.issue, h.left = nil, false, true
}

// LogoutAll ends every session of the user, this one included, and returns how
// many. Without a session it does nothing. Durable like Logout.
func (h *Handle) LogoutAll(ctx context.Context) (int, error) {
	h.enter()
	defer h.mu.Unlock()
	if h.m == nil {
		return 0, ErrNoMiddleware
	}
	if !h.has {
		return 0, nil
	}
	if h.session.UserID == "" {
		return 1, h.logout(ctx)
	}
	n, err := h.m.store.DestroyAllForUser(ctx, h.session.UserID)
	if err == nil || errors.Is(err, sessile.ErrNotDurable) {
		h.end()
	}
	return n, err
}

// LogoutOthers ends every session of the user but this one, and returns how many.
// Durable like Logout.
func (h *Handle) LogoutOthers(ctx context.Context) (int, error) {
	h.enter()
	defer h.mu.Unlock()
	if err := h.user(); err != nil {
		return 0, err
	}
	return h.m.store.DestroyAllExcept(ctx, h.session.UserID, h.session.ID)
}

// user reports why the request has no user.
func (h *Handle) user() error {
	switch {
	case h.m == nil:
		return ErrNoMiddleware
	case !h.has || h.session.UserID == "":
		return ErrNoSession
	default:
		return nil
	}
}

// Device is a session as its user may see it: without fingerprint, data and raw
// user agent.
type Device struct {
	ID           sessile.ID
	DeviceName   string
	DeviceType   string
	IPAddress    string
	CreatedAt    time.Time
	LastActiveAt time.Time
	ExpiresAt    time.Time
	Current      bool // this request's
}

// Sessions returns the user's devices, the most recently active first.
func (h *Handle) Sessions(ctx context.Context) ([]Device, error) {
	h.enter()
	defer h.mu.Unlock()
	if err := h.user(); err != nil {
		return nil, err
	}
	list, err := h.m.store.ListForUser(ctx, h.session.UserID)
	if err != nil {
		return nil, err
	}
	devices := make([]Device, len(list))
	for i, s := range list {
		devices[i] = Device{
			ID: s.ID, DeviceName: s.DeviceName, DeviceType: s.DeviceType, IPAddress: s.IPAddress,
			CreatedAt: s.CreatedAt, LastActiveAt: s.LastActiveAt, ExpiresAt: s.ExpiresAt,
			Current: s.ID == h.session.ID,
		}
	}
	return devices, nil
}

// Revoke ends one of the user's own sessions. Another user's gives the same
// [sessile.ErrNotFound] as one that there is not; the current one is Logout.
// Durable like Logout.
func (h *Handle) Revoke(ctx context.Context, id sessile.ID) error {
	h.enter()
	defer h.mu.Unlock()
	if err := h.user(); err != nil {
		return err
	}
	if id == h.session.ID {
		return h.logout(ctx)
	}
	return h.m.store.DestroyForUser(ctx, h.session.UserID, id)
}
