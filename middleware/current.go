package middleware

import (
	"time"

	"github.com/sessile/sessile"
)

// current is the session of a request. Most requests only ask whose it is, so it
// stays a reference until somebody wants a copy or the request changes it; and the
// token stays the text that the client sent.
type current struct {
	seen  sessile.Snapshot // as it was looked up or last changed
	own   *sessile.Session // as this request made or copied it; nil = as seen
	sent  *string          // the token that the client sent, where fmt does not find it (S49)
	fresh sessile.Token    // the token that this request has made; zero = the one that was sent
}

// session is the copy.
func (c *current) session() *sessile.Session {
	if c.own == nil {
		s := c.seen.Session()
		c.own = &s
	}
	return c.own
}

func (c *current) id() sessile.ID {
	if c.own != nil {
		return c.own.ID
	}
	return c.seen.ID()
}

func (c *current) userID() string {
	if c.own != nil {
		return c.own.UserID
	}
	return c.seen.UserID()
}

func (c *current) data() sessile.Data {
	if c.own != nil {
		return c.own.Data
	}
	return c.seen.Data()
}

// announcedAge is how old the session was when its client was last told how long it
// lives. One that begins in this request tells it with this response.
func (c *current) announcedAge() time.Duration { return c.seen.AnnouncedAge() }

func (c *current) ttl() time.Duration {
	if c.own != nil {
		return c.own.TTL
	}
	return c.seen.TTL()
}

// rotatedAt is when the session got the token that it had then.
func (c *current) rotatedAt() time.Time {
	if c.own != nil {
		return c.own.RotatedAt
	}
	return c.seen.RotatedAt()
}

func (c *current) touchDue() bool {
	if c.own != nil {
		return c.own.TouchDue
	}
	return c.seen.TouchDue()
}

// token is the one that opens the session.
func (c *current) token() sessile.Token {
	if c.fresh.IsZero() && c.sent != nil && *c.sent != "" {
		c.fresh, _ = sessile.ParseToken(*c.sent) // it has been looked up: it is one
	}
	return c.fresh
}
