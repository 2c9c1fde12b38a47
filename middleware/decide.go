package middleware

import (
	"context"
	"errors"
	"slices"

	"github.com/sessile/sessile"
)

// A browser has one cookie and several requests in flight, and the network decides which response
// comes last. So a response may replace the cookie only with a newer one, and may remove it only if
// the browser can have no other.
//
// A request knows three small states and a wish. When its response begins, facts.decide turns them
// into one action. It is a pure function. Its test tries every combination.

// presence says what session the request has.
type presence uint8

const (
	absent   presence = iota // none
	reserved                 // none, but the browser may have a valid cookie: never remove it or replace it with a guest's
	gone                     // another request ended it; otherwise like reserved
	found                    // the session that the request came with
	created                  // created by this request; nobody has its token yet
	issued                   // created by this request; the response carries the token
)

// standing says what happened to the token that the request has.
type standing uint8

const (
	tokenCurrent  standing = iota // it is the session's current token
	tokenOurs                     // this request made it, and it replaced the one that came
	tokenGraced                   // it was replaced before the request came, and is valid for a grace period
	tokenStranded                 // the same, and its successor never reached the client
	tokenReplaced                 // another request has replaced it since the request came
)

// last reports whether the token is the newest of its session.
func (s standing) last() bool { return s == tokenCurrent || s == tokenOurs }

// phase says how far the response is.
type phase uint8

const (
	open      phase = iota // not begun
	hijacked               // the handler takes over the connection, and may write its own headers
	committed              // begun: too late for headers
)

// fate says what the request wants to do with the browser's cookie.
type fate uint8

const (
	keepCookie fate = iota
	sendCookie
	removeCookie
)

// action says what the response does with the cookie.
type action uint8

const (
	keep    action = iota // leave the cookie alone
	send                  // send the token
	remove                // remove the cookie
	rotate                // replace the token, keep the old one for a grace period, and send the new one
	discard               // destroy the session; nobody gets its token
)

// facts are everything that the action depends on.
type facts struct {
	presence  presence
	standing  standing
	wish      fate
	failed    bool // the changes could not be written: the response is the error handler's
	accessed  bool // the handler has accessed the session
	bearer    bool // the client keeps its token itself: no cookies
	hijacked  bool // the phase when the response begins
	loggedOut bool // this request logged out

	// These are computed only where they matter, and never for a bearer.
	sentReplaced bool // a login replaced the sent token less than a minute ago
	outdated     bool // the token has been replaced, or its session has ended
	planted      bool // the session may have come with a planted cookie
	aged         bool // the token is older than Options.RotateEvery
}

// decide returns the action.
func (f facts) decide() action {
	switch {
	case f.failed && f.presence == created: // a login without its data must not count: the data may restrict it
		return discard
	case !f.accessed: // a static file stays cacheable; a later response sends the cookie
		return keep
	case f.removes() && f.sentReplaced: // the browser may already have the login's cookie
		return keep
	case f.renews() && f.outdated: // the browser may have the successor, or the cookie of a later login
		return keep
	case f.rotates() && f.aged && !f.planted:
		return rotate
	case f.renews() && f.standing != tokenOurs && f.planted: // sending it would overwrite our own cookie
		return keep
	default:
		return f.wanted()
	}
}

// wanted returns the wish as an action.
func (f facts) wanted() action {
	return [...]action{keepCookie: keep, sendCookie: send, removeCookie: remove}[f.wish]
}

// removes reports whether the response would remove a cookie that opens nothing. After a logout,
// removal is always right.
func (f facts) removes() bool { return f.wish == removeCookie && !f.loggedOut }

// renews reports whether the response would send a cookie of which the browser may have a newer
// version. Nobody else has the token of a session that this request created.
func (f facts) renews() bool { return f.wish == sendCookie && f.presence != created }

// rotates reports whether a periodic rotation is possible. It is not for three clients:
//
//   - One that keeps its token itself would not learn the new token.
//   - One that takes over the connection writes its own headers.
//   - One with a replaced token gets no second successor, unless the first was lost.
func (f facts) rotates() bool {
	return !f.failed && f.presence >= found && !f.bearer && !f.hijacked &&
		f.standing != tokenGraced && f.standing != tokenReplaced
}

// facts collects the facts when the response begins.
func (h *Handle) facts(failed bool) facts {
	f := facts{
		presence: h.presence, standing: h.standing, wish: h.fate, failed: failed,
		accessed: h.accessed, bearer: h.bearer, hijacked: h.phase == hijacked, loggedOut: h.loggedOut,
	}
	if !f.accessed || f.bearer {
		return f
	}
	ctx := h.req.Context()
	f.sentReplaced = f.removes() && h.sentWasReplaced()
	f.outdated = f.renews() && h.outdated(ctx)
	f.aged = f.rotates() && !f.outdated && h.aged()
	f.planted = (f.renews() || f.aged) && !f.outdated && h.maybePlanted(ctx)
	return f
}

// aged reports whether a rotation is due. It is due if the token's successor was lost: the browser
// had a minute to receive the successor, and would have sent it.
func (h *Handle) aged() bool {
	every := h.m.opts.RotateEvery
	if h.standing == tokenStranded {
		return true
	}
	if every == 0 {
		return false
	}
	s := h.cur.session
	since := s.CreatedAt()
	if s.RotatedAt().After(since) {
		since = s.RotatedAt()
	}
	return h.m.store.Now().Sub(since) >= every
}

// outdated reports whether the request's token has been replaced, or its session has ended.
func (h *Handle) outdated(ctx context.Context) bool {
	s, err := h.m.store.Lookup(ctx, h.cur.token().Reveal())
	return errors.Is(err, sessile.ErrNotFound) || err == nil && s.TokenReplaced()
}

// maybePlanted reports whether the session may have come with a planted cookie of our name. That is
// possible in two cases: the browser withholds our cookie from this request, or another cookie
// behind this one is valid too. Sending the session's cookie would then overwrite ours.
func (h *Handle) maybePlanted(ctx context.Context) bool {
	if h.m.cookie.withheld(h.req) {
		return true
	}
	found := h.m.cookie.find(h.req.Header)
	return slices.ContainsFunc(found.sent()[min(int(h.tried), found.n):], func(text string) bool {
		s, err := h.m.store.Lookup(ctx, text)
		return err == nil && s.ID() != h.cur.id()
	})
}
