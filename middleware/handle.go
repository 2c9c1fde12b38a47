package middleware

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/bridge"
)

// Handle gives access to the session of a request. Get it with [From]. Later reads in the same
// request see its changes at once. The middleware commits them before the first byte of the
// response. A Handle is safe for concurrent use within the request.
type Handle struct {
	m     *Sessions // nil without the middleware
	req   *http.Request
	fault error // why the session could not be read, with AllowAnonymousOnError

	mu        sync.Mutex
	cur       current
	pending   []change
	presence  presence
	standing  standing
	phase     phase
	fate      fate
	tried     uint8 // how many cookies of the request were looked up, at most maxCandidates
	bearer    bool  // the token came in the Authorization header: send no cookies
	loggedOut bool  // this request logged out
	accessed  bool  // the handler has accessed the session, so the response depends on it
	revealed  bool  // the handler has a token for the client, so no cache may store the response
}

// String prints no secrets (S49). Without it, a template would print what the Handle points to.
func (*Handle) String() string { return "session handle" }

// GoString returns the same as String.
func (h *Handle) GoString() string { return h.String() }

// Format prints String for every verb.
func (h *Handle) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, h.String()) }

// LogValue returns String for slog.
func (h *Handle) LogValue() slog.Value { return slog.StringValue(h.String()) }

// enter locks the handle for one method and notes that the handler accessed the session.
func (h *Handle) enter() {
	h.mu.Lock()
	h.accessed = true
}

// Err returns why the session could not be read, if Options.AllowAnonymousOnError let the request
// continue without it. It returns [ErrNoMiddleware] without the middleware, and otherwise nil.
func (h *Handle) Err() error {
	if h.m == nil {
		return ErrNoMiddleware
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fault
}

// Current returns the session as it was read or last changed, and whether there is one. Its Data
// lacks pending changes; [Get] includes them.
func (h *Handle) Current() (sessile.Session, bool) {
	h.enter()
	defer h.mu.Unlock()
	if !h.has() {
		return sessile.Session{}, false
	}
	return h.cur.session, true
}

// UserID returns the user of the session. It returns "" and false for a guest, or without a
// session.
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

// Token returns the token of the session, and whether there is one. Use it for a client that keeps
// its token itself, without a cookie. Treat the token as a password.
func (h *Handle) Token() (sessile.Token, bool) {
	h.enter()
	defer h.mu.Unlock()
	return h.cur.token(), h.has()
}

// Save sends pending changes to the store now, instead of when the response begins. It does nothing
// if there are none. The changes are in memory when Save returns nil, and on disk within the
// store's BatchInterval. If several nodes share the backend, they are on the database.
//
// After an error the changes stay pending, and another Save sends them again. The response does not
// send them, because a handler that reports the failure must not have its changes applied. It does
// send the keys that are set again after the failure.
func (h *Handle) Save(ctx context.Context) error { return h.save(ctx, false) }

// SaveDurable is [Handle.Save] that is on disk (fsync) when it returns nil. Use it for changes that
// a crash must not undo. If the write fails, with [sessile.ErrUnavailable] or [sessile.ErrUnknown],
// or ctx ends first, the changes may be in memory already. The store then retries the write.
func (h *Handle) SaveDurable(ctx context.Context) error { return h.save(ctx, true) }

func (h *Handle) save(ctx context.Context, durable bool) error {
	h.enter()
	defer h.mu.Unlock()
	if h.m == nil {
		return ErrNoMiddleware
	}
	return h.flush(ctx, durable)
}

// flush sends pending changes to the store. It creates a guest session if they need one. After an
// error it holds them back from the response.
func (h *Handle) flush(ctx context.Context, durable bool) error {
	if len(h.pending) == 0 {
		return nil
	}
	var err error
	if h.has() {
		err = h.update(ctx, h.changes(), durable)
	} else {
		err = h.createGuest(ctx)
	}
	if err == nil {
		h.pending = nil
	}
	for i := range h.pending {
		h.pending[i].held = true
	}
	return err
}

// Update changes single keys in the store at once, before or after the response has begun. It is
// for streams and websockets. Pending changes are sent first. It counts as an access. The changes
// are in memory when Update returns nil, and on disk within the store's BatchInterval. If several
// nodes share the backend, they are on the database.
func (h *Handle) Update(ctx context.Context, c *sessile.Changes) error {
	h.enter()
	defer h.mu.Unlock()
	if err := h.needsSession(); err != nil {
		return err
	}
	if err := h.flush(ctx, false); err != nil {
		return err
	}
	return h.update(ctx, c, false)
}

func (h *Handle) update(ctx context.Context, c *sessile.Changes, durable bool) error {
	s, err := h.m.calls.Update(ctx, h.cur.id(), c, durable, h.announces())
	return h.accessedAs(s, err)
}

// Renew records an access now. It is for websockets, whose messages are not requests. The access is
// in memory when Renew returns nil, and on disk within the store's BatchInterval. If too many
// changes wait for the disk, the store may drop it without an error.
func (h *Handle) Renew(ctx context.Context) error {
	h.enter()
	defer h.mu.Unlock()
	if err := h.needsSession(); err != nil {
		return err
	}
	s, err := h.m.calls.Renew(ctx, h.cur.id(), h.announces())
	return h.accessedAs(s, err)
}

// accessedAs takes over the session as an access left it, or notes that it has ended.
func (h *Handle) accessedAs(s sessile.Session, err error) error {
	if err := h.unlessEnded(err); err != nil { // an ended session stays ended
		return err
	}
	// The first announced access in each TouchInterval renews the cookie, so that its Max-Age slides
	// with the session. Accesses of workers and websockets do not count, because the browser does not
	// learn of them. A replaced token is never sent, because it would overwrite its successor in the
	// browser.
	if s.RotatedAt().After(h.cur.session.RotatedAt()) { // another request rotated the token, and its response has the cookie
		h.standing, h.fate = tokenReplaced, keepCookie
	}
	if h.period(s.LastActiveAt().Sub(s.CreatedAt())) != h.period(h.m.calls.AnnouncedAge(h.cur.session)) && h.m.cookie.persists(h.cur.session) && h.standing.last() {
		h.fate = sendCookie
	}
	h.cur.session, h.cur.found = s, bridge.Found{}
	return nil
}

// announces reports whether the response can tell the browser the new end of the session, which is
// so if it could send the cookie.
func (h *Handle) announces() bool {
	return h.accessed && h.phase == open && h.standing.last()
}

// period numbers the touch intervals in a session's life.
func (h *Handle) period(age time.Duration) int64 {
	return int64(age / max(min(h.m.touch, h.cur.session.TTL()/2), 1))
}

// Done returns a channel that is closed when the session ends in this process: by a logout here or
// on another device, by expiry or by eviction. Without a session it is closed already. The store
// stops watching when ctx ends, so the channel may stay open after that.
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

// reserve notes that the browser may have a valid cookie, although this request found none.
func (h *Handle) reserve() {
	if h.presence == absent {
		h.presence = reserved
	}
}

// needsSession returns why the request has no session, or nil.
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

// needsUser returns why the request has no user, or nil.
func (h *Handle) needsUser() error {
	if err := h.needsSession(); err != nil {
		return err
	}
	if h.cur.userID() == "" {
		return ErrNoSession
	}
	return nil
}

// changeable returns why the session's cookie cannot change any more, or nil.
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

// begin makes s the request's session. The client must get its token.
func (h *Handle) begin(s sessile.Session, t sessile.Token) {
	h.cur, h.pending = current{session: s, fresh: t}, nil
	h.presence, h.standing, h.fate = created, tokenCurrent, sendCookie
	h.fault = nil
}

// end leaves the request without a session and makes the response remove the cookie.
func (h *Handle) end() {
	h.cur, h.pending = current{}, nil
	h.presence, h.standing, h.fate = absent, tokenCurrent, removeCookie
}

// ended is end after a parallel request has ended the session. It leaves the cookie alone, because
// the browser may have a newer one. If not, the next request with the cookie removes it.
func (h *Handle) ended() {
	h.end()
	h.presence, h.fate = gone, keepCookie
}
