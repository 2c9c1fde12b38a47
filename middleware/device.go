package middleware

import (
	"context"
	"slices"
	"time"

	"github.com/sessile/sessile"
)

// Device is a session as its user may see it: without fingerprint, data and raw
// user agent.
type Device struct {
	ID           sessile.ID `json:"id"`
	DeviceName   string     `json:"device_name"` // like "Firefox on Windows"
	DeviceType   string     `json:"device_type"`
	IPAddress    string     `json:"ip_address"` // of the login
	CreatedAt    time.Time  `json:"created_at"`
	LastActiveAt time.Time  `json:"last_active_at"`
	ExpiresAt    time.Time  `json:"expires_at"`
	Current      bool       `json:"current"` // this request's
}

// Sessions returns the user's devices, the most recently active first. If the
// session has ended meanwhile, it is [sessile.ErrNotFound].
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
			Current: s.ID() == h.cur.id(),
		}
	}
	return devices, nil
}

// Revoke ends one of the user's own sessions. Another user's gives the same
// [sessile.ErrNotFound] as one that does not exist, and so does every one if the
// request's own session has ended meanwhile; the current one is [Handle.Logout].
// Durable like Logout.
func (h *Handle) Revoke(ctx context.Context, id sessile.ID) error {
	h.enter()
	defer h.mu.Unlock()
	if err := h.needsUser(); err != nil {
		return err
	}
	if id == h.cur.id() {
		return h.logout(ctx)
	}
	// The request's session may still end between these two. It does no harm: who names
	// id knew it before, so the call could have been made a moment earlier.
	if err := h.check(ctx); err != nil {
		return err
	}
	return h.m.store.DestroyForUser(ctx, h.cur.userID(), id)
}
