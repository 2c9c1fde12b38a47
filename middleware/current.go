package middleware

import (
	"context"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/bridge"
)

// storeCalls is what a store has for this package alone; see package bridge. An access is
// announced if the response tells the client how long the session lives from then on, as
// the Max-Age of a cookie does.
type storeCalls interface {
	Lookup(ctx context.Context, token string) (sessile.Session, bridge.Found, error)
	Renew(ctx context.Context, id sessile.ID, announced bool) (sessile.Session, error)
	Update(ctx context.Context, id sessile.ID, c *sessile.Changes, announced bool) (sessile.Session, error)
	AnnouncedAge(s sessile.Session) time.Duration
	Emit(e sessile.Event)
}

// current is the session of a request, and its token. The token stays the text that the
// client sent until somebody asks for it.
type current struct {
	session sessile.Session
	found   bridge.Found  // what the lookup found out beside the session
	sent    *string       // the token that the client sent, where fmt does not find it
	fresh   sessile.Token // the token that this request has made; zero = the one that was sent
}

func (c *current) id() sessile.ID { return c.session.ID() }

func (c *current) userID() string { return c.session.UserID() }

// token is the one that opens the session.
func (c *current) token() sessile.Token {
	if c.fresh.IsZero() && c.sent != nil && *c.sent != "" {
		c.fresh, _ = sessile.ParseToken(*c.sent) // it has been looked up: it is one
	}
	return c.fresh
}
