package middleware

import (
	"context"
	"errors"
	"slices"

	"github.com/sessile/sessile"
)

// A browser has one cookie and several requests in flight, and which response comes
// last is up to the network. So a response replaces the cookie only by what is newer for
// sure, and removes it only if the dead one is all that the browser can have.
//
// What a request knows is three small states and a wish. When its response begins,
// facts.decide makes one action of them. It is a pure function; its test goes through
// every combination.

// presence is what the request has for a session.
type presence uint8

const (
	absent   presence = iota // none
	reserved                 // none, but the browser may have a good cookie: it is neither removed nor replaced by a guest's
	gone                     // none any more, because another request has ended it; otherwise like reserved
	found                    // the one that came with the request
	created                  // one of this request's, whose token nobody has yet
	issued                   // the same, and the response carries the token
)

// standing is what has become of the token that the request has.
type standing uint8

const (
	tokenCurrent  standing = iota // nothing: it is the session's
	tokenOurs                     // it was made in this request, and has replaced the one that came
	tokenGraced                   // another has replaced it before the request came; it is good for a grace
	tokenStranded                 // the same, and nobody ever got the other
	tokenReplaced                 // another request has replaced it since
)

// last reports whether the token is the newest of its session.
func (s standing) last() bool { return s == tokenCurrent || s == tokenOurs }

// phase is how far the response is.
type phase uint8

const (
	open      phase = iota // it has not begun
	hijacked               // somebody takes the connection over, and may write headers of their own
	committed              // it has begun: too late for headers
)

// fate is what the request wants to become of the browser's cookie.
type fate uint8

const (
	keepCookie fate = iota
	sendCookie
	removeCookie
)

// action is what the response does about it.
type action uint8

const (
	keep    action = iota // leave the cookie alone
	send                  // send the token
	remove                // remove the cookie
	rotate                // replace the token with a grace, and send the new one
	discard               // destroy the session, whose token nobody gets
)

// facts are what the action depends on.
type facts struct {
	presence  presence
	standing  standing
	wish      fate
	failed    bool // the changes could not be written: the response is the error's
	accessed  bool // the handler has looked at the session
	bearer    bool // the client keeps its token itself: no cookies
	hijacked  bool // phase, when the response begins
	loggedOut bool // in this request

	// These are asked for only where they matter, and never of a bearer.
	sentReplaced bool // a login has replaced, moments ago, what the client sent
	outdated     bool // by now the token has been replaced, or its session has ended
	planted      bool // the session may have come with another cookie than ours
	aged         bool // the token is older than Options.RotateEvery
}

// decide is the whole of the rule.
func (f facts) decide() action {
	switch {
	case f.failed && f.presence == created: // a login whose data is lost is none: it might lack what restricts it
		return discard
	case !f.accessed: // a static file, say, stays cacheable; a later response has the cookie
		return keep
	case f.removes() && f.sentReplaced: // the browser may have the login's by now
		return keep
	case f.renews() && f.outdated: // it may have the successor, or the cookie of a later login
		return keep
	case f.rotates() && f.aged && !f.planted:
		return rotate
	case f.renews() && f.standing != tokenOurs && f.planted: // ours would be pushed out
		return keep
	default:
		return f.wanted()
	}
}

// wanted is the wish as an action.
func (f facts) wanted() action {
	return [...]action{keepCookie: keep, sendCookie: send, removeCookie: remove}[f.wish]
}

// removes reports whether a cookie that opens nothing is to be removed. After a logout
// nothing speaks against it.
func (f facts) removes() bool { return f.wish == removeCookie && !f.loggedOut }

// renews reports whether the browser is to get the cookie of a session that it may have
// a newer one of. Nobody has the token of a created one.
func (f facts) renews() bool { return f.wish == sendCookie && f.presence != created }

// rotates reports whether the token may be replaced now and then. A client that keeps its token
// itself would not hear of it, whoever takes the connection over writes their own headers,
// and a token that has been replaced gets no second successor, unless the first was lost.
func (f facts) rotates() bool {
	return !f.failed && f.presence >= found && !f.bearer && !f.hijacked &&
		f.standing != tokenGraced && f.standing != tokenReplaced
}

// facts collects them when the response begins.
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

// aged reports whether it is time for another token. One whose successor was lost before the
// request came is: the browser had a minute to get that, and would have sent it.
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

// outdated reports whether the request's token has been replaced, or its session ended.
func (h *Handle) outdated(ctx context.Context) bool {
	s, err := h.m.store.Lookup(ctx, h.cur.token().Reveal())
	return errors.Is(err, sessile.ErrNotFound) || err == nil && s.TokenReplaced()
}

// maybePlanted reports whether the session may have come with another cookie of the name
// than the one that we set: with one that the browser sends though it keeps ours back, or
// in front of another that is good too. To send it again would put it in ours' place.
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
