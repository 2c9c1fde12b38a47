package middleware

import (
	"context"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/bridge"
)

// storeCalls are the functions of a store for this package alone; see package bridge. An access is
// announced if the response tells the client the new end of the session, as the Max-Age of a cookie
// does.
type storeCalls interface {
	Lookup(ctx context.Context, token string) (sessile.Session, bridge.Found, error)
	Renew(ctx context.Context, id sessile.ID, announced bool) (sessile.Session, error)
	Update(ctx context.Context, id sessile.ID, c *sessile.Changes, durable, announced bool) (sessile.Session, error)
	AnnouncedAge(s sessile.Session) time.Duration
	EndReason(token string) sessile.EndReason
	Emit(e sessile.Event)
	Warn(message string, id sessile.ID, mode string)
}

// current is the session of a request and its token. The token stays the client's text until it is
// needed as a Token.
type current struct {
	session sessile.Session
	found   bridge.Found  // what else the lookup learned
	sent    *string       // the token that the client sent; fmt does not follow the pointer
	fresh   sessile.Token // the token that this request made; zero = the one that was sent
}

func (c *current) id() sessile.ID { return c.session.ID() }

func (c *current) userID() string { return c.session.UserID() }

// token returns the token that opens the session.
func (c *current) token() sessile.Token {
	if c.fresh.IsZero() && c.sent != nil && *c.sent != "" {
		c.fresh, _ = sessile.ParseToken(*c.sent) // cannot fail: a lookup has accepted the text
	}
	return c.fresh
}
