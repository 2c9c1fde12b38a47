package middleware

import (
	"context"
	"errors"

	"github.com/sessile/sessile"
)

// Issue creates a session for a client that keeps its token itself, and returns it with its token.
// The response gets no cookie for it, and the request's own session stays as it is. Two kinds of
// clients need it:
//
//   - A mobile application logs in with a password. Its session is like that of a browser: it is one
//     of the user's devices, and counts toward the store's MaxSessionsPerUser.
//   - A script gets a token that a user made for it on a page. Set [Login.APIToken] then, and give it
//     a Login.DeviceName. It counts toward MaxAPITokensPerUser, has no fingerprint, because another
//     client will use it, and opens nothing as a cookie.
//
// The client sends the token in "Authorization: Bearer …"; set Options.Bearer where it does. The
// session gets the keys in Login.CarryOver, but not those in Options.CarryOver. Login.Remember has no
// effect.
//
// The session is on disk (fsync) when Issue returns nil. Unlike a session of [Handle.Login], it stays
// if the response never reaches the client. Issue also works after the response has begun. Before
// that, it makes the response uncacheable.
//
// Whoever can call Issue keeps access to the account. Guard the route of API tokens with
// [RequireFresh]. A change of password ends these sessions too: see [Handle.LogoutOthers].
func (h *Handle) Issue(ctx context.Context, l Login) (sessile.Session, sessile.Token, error) {
	h.enter()
	defer h.mu.Unlock()
	if h.m == nil {
		return sessile.Session{}, sessile.Token{}, ErrNoMiddleware
	}
	data, err := h.carry(ctx, l, l.CarryOver)
	if err != nil {
		return sessile.Session{}, sessile.Token{}, err
	}
	s, t, err := h.create(ctx, l, sessile.NewSession{Data: data})
	if err == nil {
		err = h.confirm(ctx, l, s.ID())
	}
	if err == nil {
		err = h.stillHere(ctx, s.ID())
	}
	if err != nil {
		return sessile.Session{}, sessile.Token{}, err
	}
	h.revealed = true
	return s, t, nil
}

// stillHere destroys an issued session if the session of this request has ended meanwhile. A logout of
// all sessions that ran before the session was created did not see it:
//
//  1. A request has been found fresh. Its handler reads the body.
//  2. The user logs out everywhere.
//  3. The handler calls Issue.
func (h *Handle) stillHere(ctx context.Context, issued sessile.ID) error {
	err := h.check(ctx)
	if err == nil && h.presence == gone {
		err = errEnded
	}
	if err == nil {
		return nil
	}
	return errors.Join(err, h.m.store.Destroy(h.m.deadline.next(), issued, sessile.EndTokenLost))
}
