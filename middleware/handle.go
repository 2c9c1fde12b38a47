package middleware

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/bridge"
)

// Handle is a request's session. Get it with [From]. What it changes is seen by
// later reads of the same request at once, and committed before the first byte
// of the response. It is safe for concurrent use within the request.
type Handle struct {
	m     *Sessions // nil without the middleware
	req   *http.Request
	fault error // the session could not be read, and the application wants to go on without

	mu        sync.Mutex
	cur       current
	pending   []change
	presence  presence
	standing  standing
	phase     phase
	fate      fate
	tried     uint8 // how many of the request's cookies were looked up, at most maxCandidates
	bearer    bool  // the token came in the Authorization header: no cookies
	loggedOut bool  // in this request
	accessed  bool  // the response depends on the cookie
}

// Format tells of no secret, whatever the verb (S49).
func (h *Handle) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "session handle") }

// enter takes the handle for one method and notes the access.
func (h *Handle) enter() {
	h.mu.Lock()
	h.accessed = true
}

// Err tells why the session could not be read, where
// Options.AllowAnonymousOnError lets the request go on all the same, or that
// there is no middleware ([ErrNoMiddleware]). Otherwise it is nil.
func (h *Handle) Err() error {
	if h.m == nil {
		return ErrNoMiddleware
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fault
}

// Current returns the session as it was read or last changed; its Data lacks
// what is pending. See [Get].
func (h *Handle) Current() (sessile.Session, bool) {
	h.enter()
	defer h.mu.Unlock()
	if !h.has() {
		return sessile.Session{}, false
	}
	return h.cur.session, true
}

// UserID returns the user of the session; "" and false for a guest or without one.
func (h *Handle) UserID() (string, bool) {
	h.enter()
	defer h.mu.Unlock()
	user := h.cur.userID()
	return user, h.has() && user != ""
}

// IsAuthenticated reports whether the request has a session with a user.
func (h *Handle) IsAuthenticated() bool {
	_, ok := h.UserID()
	return ok
}

// Token returns the token of the session, to hand to a client that keeps it
// itself rather than in a cookie. Treat it as a password.
func (h *Handle) Token() (sessile.Token, bool) {
	h.enter()
	defer h.mu.Unlock()
	return h.cur.token(), h.has()
}

// Save writes pending changes now, rather than when the response begins. Without
// a session and without changes it does nothing. They are in memory when Save
// returns, on disk within the store's BatchInterval.
func (h *Handle) Save(ctx context.Context) error {
	h.enter()
	defer h.mu.Unlock()
	if h.m == nil {
		return ErrNoMiddleware
	}
	return h.flush(ctx)
}

// flush sends pending changes to the store, and creates the guest that they need.
func (h *Handle) flush(ctx context.Context) error {
	if len(h.pending) == 0 {
		return nil
	}
	if !h.has() {
		return h.createGuest(ctx)
	}
	err := h.update(ctx, h.changes())
	if err == nil {
		h.pending = nil
	}
	return err
}

// Update changes single keys in the store at once, whether the response has
// begun or not: for streams and websockets. Pending changes go first. It counts as an
// access. In memory when Update returns, on disk within the store's BatchInterval.
func (h *Handle) Update(ctx context.Context, c *sessile.Changes) error {
	h.enter()
	defer h.mu.Unlock()
	if err := h.needsSession(); err != nil {
		return err
	}
	if err := h.flush(ctx); err != nil {
		return err
	}
	return h.update(ctx, c)
}

func (h *Handle) update(ctx context.Context, c *sessile.Changes) error {
	s, err := h.m.calls.Update(ctx, h.cur.id(), c, h.announces())
	return h.accessedAs(s, err)
}

// Renew records an access now: for websockets, whose messages no request
// announces. In memory when Renew returns, on disk within the store's
// BatchInterval; when too much waits for the disk it may be dropped.
func (h *Handle) Renew(ctx context.Context) error {
	h.enter()
	defer h.mu.Unlock()
	if err := h.needsSession(); err != nil {
		return err
	}
	s, err := h.m.calls.Renew(ctx, h.cur.id(), h.announces())
	return h.accessedAs(s, err)
}

// accessedAs takes the session as an access left it, or its end.
func (h *Handle) accessedAs(s sessile.Session, err error) error {
	if err := h.unlessEnded(err); err != nil { // nothing is revived
		return err
	}
	// The cookie's Max-Age slides along, at most once every TouchInterval: with the access
	// that is the first in a new one to be announced. Those of workers and websockets, of
	// which the browser hears nothing, do not count. But a token that has been replaced
	// must not push its successor out of the browser.
	if s.RotatedAt().After(h.cur.session.RotatedAt()) { // by another request, whose response has the cookie
		h.standing, h.fate = tokenReplaced, keepCookie
	}
	if h.period(s.LastActiveAt().Sub(s.CreatedAt())) != h.period(h.m.calls.AnnouncedAge(h.cur.session)) && !h.m.cookie.session && h.standing.last() {
		h.fate = sendCookie
	}
	h.cur.session, h.cur.found = s, bridge.Found{}
	return nil
}

// announces reports whether the response can tell the browser that the session lives
// longer: whether its cookie would be sent if it were due.
func (h *Handle) announces() bool {
	return h.accessed && h.phase == open && h.standing.last()
}

// period numbers the touch intervals in a session's life.
func (h *Handle) period(age time.Duration) int64 {
	return int64(age / max(min(h.m.touch, h.cur.session.TTL()/2), 1))
}

// Done returns a channel that is closed when the session ends in this process:
// logged out here or on another device, expired, evicted. Without a session it is
// closed. The interest ends with ctx; then the channel never closes.
func (h *Handle) Done(ctx context.Context) <-chan struct{} {
	s, ok := h.Current()
	if !ok {
		ended := make(chan struct{})
		close(ended)
		return ended
	}
	return h.m.store.Done(ctx, s.ID())
}

// has reports whether the request has a session.
func (h *Handle) has() bool { return h.presence >= found }

// reserve notes that the browser may have a good cookie, though this request found none.
func (h *Handle) reserve() {
	if h.presence == absent {
		h.presence = reserved
	}
}

// needsSession reports why the request has no session.
func (h *Handle) needsSession() error {
	switch {
	case h.m == nil:
		return ErrNoMiddleware
	case h.fault != nil:
		return h.fault
	case h.presence == gone:
		return errEnded
	case !h.has():
		return ErrNoSession
	default:
		return nil
	}
}

// needsUser reports why the request has no user.
func (h *Handle) needsUser() error {
	if err := h.needsSession(); err != nil {
		return err
	}
	if h.cur.userID() == "" {
		return ErrNoSession
	}
	return nil
}

// changeable reports why the session's cookie cannot change any more.
func (h *Handle) changeable() error {
	switch {
	case h.m == nil:
		return ErrNoMiddleware
	case h.phase == committed:
		return ErrHeadersSent
	default:
		return nil
	}
}

// begin makes s the request's session, with a token that the client must get.
func (h *Handle) begin(s sessile.Session, t sessile.Token) {
	h.cur, h.pending = current{session: s, fresh: t}, nil
	h.presence, h.standing, h.fate = created, tokenCurrent, sendCookie
	h.fault = nil
}

// end leaves the request without a session, and the browser without its cookie.
func (h *Handle) end() {
	h.cur, h.pending = current{}, nil
	h.presence, h.standing, h.fate = absent, tokenCurrent, removeCookie
}

// ended is end after a parallel request has ended the session. The browser's cookie
// may be a newer one by now; if not, the next request with it removes it.
func (h *Handle) ended() {
	h.end()
	h.presence, h.fate = gone, keepCookie
}
