package middleware

import (
	"context"
	"slices"
	"time"

	"github.com/sessile/sessile"
)

// Device is what a user may see of one of their sessions. It lacks the fingerprint, the data and
// the raw user agent.
type Device struct {
	ID           sessile.ID `json:"id"`
	DeviceName   string     `json:"device_name"` // like "Firefox on Windows"
	DeviceType   string     `json:"device_type"`
	IPAddress    string     `json:"ip_address"` // when the session began
	CreatedAt    time.Time  `json:"created_at"`
	LastActiveAt time.Time  `json:"last_active_at"`
	ExpiresAt    time.Time  `json:"expires_at"`
	Current      bool       `json:"current"`             // the session of this request
	APIToken     bool       `json:"api_token,omitempty"` // of a script or another program
}

// Devices returns the user's sessions, the most recently active first. It returns [ErrNoSession]
// without a user, and [sessile.ErrNotFound] if the request's session has ended meanwhile.
func (h *Handle) Devices(ctx context.Context) ([]Device, error) {
	h.enter()
	defer h.mu.Unlock()
	if err := h.needsUser(); err != nil {
		return nil, err
	}
	list, err := h.m.store.ListForUser(ctx, h.cur.userID())
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(list, func(s sessile.Session) bool { return s.ID() == h.cur.id() }) {
		if err := h.check(ctx); err != nil {
			return nil, err
		}
	}
	devices := make([]Device, len(list))
	for i, s := range list {
		devices[i] = Device{
			ID: s.ID(), DeviceName: s.DeviceName(), DeviceType: s.DeviceType(), IPAddress: s.IPAddress(),
			CreatedAt: s.CreatedAt(), LastActiveAt: s.LastActiveAt(), ExpiresAt: s.ExpiresAt(),
			Current: s.ID() == h.cur.id(), APIToken: s.IsAPIToken(),
		}
	}
	return devices, nil
}

// Revoke ends one of the user's sessions. For the request's own session it is [Handle.Logout]. It
// returns [sessile.ErrNotFound] if the session does not exist or belongs to another user, or if the
// request's own session has ended meanwhile. It is durable like Logout.
func (h *Handle) Revoke(ctx context.Context, id sessile.ID) error {
	h.enter()
	defer h.mu.Unlock()
	if err := h.needsUser(); err != nil {
		return err
	}
	if id == h.cur.id() {
		return h.logout(ctx)
	}
	// The request's session may still end between check and DestroyForUser. That is harmless: the
	// caller knew id before, and could have called a moment earlier.
	if err := h.check(ctx); err != nil {
		return err
	}
	return h.m.store.DestroyForUser(ctx, h.cur.userID(), id)
}
