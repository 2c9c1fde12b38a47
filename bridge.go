package sessile

import (
	"context"
	"time"

	"github.com/sessile/sessile/internal/bridge"
)

// holder is embedded in a Store under this name, so that it is no exported field.
type holder = bridge.Holder

// middlewareCalls are the calls of a store that are for package middleware alone; package
// bridge says why and how.
type middlewareCalls struct{ s *Store }

// Lookup is [Store.Lookup] that returns what else the token tells.
func (m middlewareCalls) Lookup(ctx context.Context, token string) (Session, bridge.Found, error) {
	return m.s.lookupText(ctx, token)
}

// Renew is [Store.Renew]. See Store.renew for announced.
func (m middlewareCalls) Renew(ctx context.Context, id ID, announced bool) (Session, error) {
	return m.s.renew(ctx, id, announced)
}

// Update is [Store.Update], announced like Renew.
func (m middlewareCalls) Update(ctx context.Context, id ID, c *Changes, announced bool) (Session, error) {
	return m.s.update(ctx, id, c, false, announced)
}

// AnnouncedAge returns how old the session was at the last access that was announced to its
// client, as far as this process knows.
func (middlewareCalls) AnnouncedAge(s Session) time.Duration {
	return time.Duration(s.v().Announced-s.v().CreatedAt) * time.Microsecond
}

// Emit passes an event to Config.Events.
func (m middlewareCalls) Emit(e Event) { m.s.emit(e) }
