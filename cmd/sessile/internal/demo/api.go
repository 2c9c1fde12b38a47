package demo

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/cmd/sessile/internal/users"
	"github.com/sessile/sessile/middleware"
)

// apiSession is the JSON form of a session.
type apiSession struct {
	ID           sessile.ID `json:"id"`
	DeviceName   string     `json:"device_name"`
	DeviceType   string     `json:"device_type"`
	IPAddress    string     `json:"ip_address"`
	CreatedAt    time.Time  `json:"created_at"`
	LastActiveAt time.Time  `json:"last_active_at"`
	ExpiresAt    time.Time  `json:"expires_at"`
	Deadline     time.Time  `json:"deadline,omitzero"`
	Current      bool       `json:"current"`
}

// apiWho is the response of /api/me.
type apiWho struct {
	User    string     `json:"user"`
	Count   int        `json:"count"`
	Cart    cart       `json:"cart,omitempty"`
	Session apiSession `json:"session"`
}

// apiLogin takes {"name": …, "password": …, "remember": false}.
func (a *App) apiLogin(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	var in struct {
		Name, Password string
		Remember       bool
	}
	if err := json.NewDecoder(r.Body).Decode(&in); isType[*http.MaxBytesError](err) {
		return err
	} else if err != nil {
		return &refusal{http.StatusBadRequest, "The body is not the expected JSON."}
	}
	proof, err := a.users.Verify(r.Context(), in.Name, in.Password)
	if err == nil {
		err = a.begin(r, h, proof, in.Remember)
	}
	if errors.Is(err, users.ErrWrongPassword) {
		return &refusal{http.StatusUnauthorized, "The name or the password is wrong."}
	}
	if err != nil {
		return err
	}
	return a.apiMe(w, r, h)
}

func (a *App) apiMe(w http.ResponseWriter, _ *http.Request, h *middleware.Handle) error {
	user, err := member(h)
	if err != nil {
		return err
	}
	who := apiWho{User: user}
	if who.Count, _, err = middleware.Get[int](h, keyCount); err != nil {
		return err
	}
	if who.Cart, err = cartOf(h); err != nil {
		return err
	}
	s, _ := h.Current()
	who.Session = apiSession{
		ID: s.ID(), DeviceName: s.DeviceName(), DeviceType: s.DeviceType(), IPAddress: s.IPAddress(),
		CreatedAt: s.CreatedAt(), LastActiveAt: s.LastActiveAt(), ExpiresAt: s.ExpiresAt(), Deadline: s.Deadline(), Current: true,
	}
	a.json(w, http.StatusOK, who)
	return nil
}

func (a *App) apiCount(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	if _, err := member(h); err != nil {
		return err
	}
	n, err := increment(h)
	if err != nil {
		return err
	}
	if err := a.noteChange(r, h, "A script increased the counter."); err != nil {
		return err
	}
	a.json(w, http.StatusOK, map[string]int{"count": n})
	return nil
}

// apiCart puts one more of a product into the cart.
func (a *App) apiCart(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	p, ok := findProduct(r.PathValue("item"))
	if !ok {
		return &refusal{http.StatusNotFound, "This product does not exist."}
	}
	if err := addOne(h, p.ID); err != nil {
		return err
	}
	if err := a.noteChange(r, h, "A script put "+p.Name+" into the cart."); err != nil {
		return err
	}
	c, err := cartOf(h)
	if err != nil {
		return err
	}
	a.json(w, http.StatusOK, c)
	return nil
}

func (a *App) apiSessions(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	if _, err := member(h); err != nil {
		return err
	}
	all, err := h.Devices(r.Context())
	if err != nil {
		return err
	}
	list := make([]apiSession, len(all))
	for i, d := range all {
		list[i] = apiSession{
			ID: d.ID, DeviceName: d.DeviceName, DeviceType: d.DeviceType, IPAddress: d.IPAddress,
			CreatedAt: d.CreatedAt, LastActiveAt: d.LastActiveAt, ExpiresAt: d.ExpiresAt, Current: d.Current,
		}
	}
	a.json(w, http.StatusOK, list)
	return nil
}

func (a *App) apiRevoke(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	if _, err := member(h); err != nil {
		return err
	}
	id, err := sessile.ParseID(r.PathValue("id"))
	if err != nil {
		return err
	}
	return done(w, h.Revoke(r.Context(), id))
}

func (a *App) apiRotate(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	if _, err := member(h); err != nil {
		return err
	}
	return done(w, h.Rotate(r.Context()))
}

func (a *App) apiLogout(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	return done(w, h.Logout(r.Context()))
}

func (a *App) apiLogoutOthers(w http.ResponseWriter, r *http.Request, h *middleware.Handle) error {
	if _, err := member(h); err != nil {
		return err
	}
	n, err := h.LogoutOthers(r.Context())
	if err != nil {
		return err
	}
	a.json(w, http.StatusOK, map[string]int{"destroyed": n})
	return nil
}

// apiStats shows the store's statistics to every logged-in user. They contain no user data. A real
// application would show them only to its operators.
func (a *App) apiStats(w http.ResponseWriter, _ *http.Request, h *middleware.Handle) error {
	if _, err := member(h); err != nil {
		return err
	}
	s := a.store.Stats()
	a.json(w, http.StatusOK, map[string]any{
		"hits": s.Hits, "cold_reads": s.ColdReads, "unknown_tokens": s.UnknownTokens,
		"created": s.Created, "destroyed": s.Destroyed, "evicted": s.Evicted, "expired": s.Expired, "rotated": s.Rotated,
		"touches": s.Touches, "flushes": s.Flushes, "batches": s.Batches, "batch_items": s.BatchItems,
		"batch_failures": s.BatchFailures, "hot": s.Hot, "hot_bytes": s.HotBytes,
		"pending": s.Pending, "oldest_pending_ms": s.OldestPending.Milliseconds(), "tombstones": s.Tombstones,
	})
	return nil
}

// healthz is for a load balancer. It returns 503 if the store cannot write.
func (a *App) healthz(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	health, status := a.store.Health(), http.StatusOK
	if health.State == sessile.HealthFailed {
		status = http.StatusServiceUnavailable
	}
	a.json(w, status, map[string]string{"state": health.State.String(), "reason": health.Reason})
}

// member returns the user who is logged in. A guest session has no user.
func member(h *middleware.Handle) (string, error) {
	user, ok := h.UserID()
	if !ok {
		return "", middleware.ErrNoSession
	}
	return user, nil
}

// done responds with 204, or returns the error.
func done(w http.ResponseWriter, err error) error {
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}
