package sessile

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/sessile/sessile/internal/bridge"
)

// holder lets Store embed the Holder without exporting a field.
type holder = bridge.Holder

// middlewareCalls are the functions of a store that only package middleware may call. Package
// bridge explains why and how.
type middlewareCalls struct{ s *Store }

// Lookup is [Store.Lookup] that also returns what else the lookup learned.
func (m middlewareCalls) Lookup(ctx context.Context, token string) (Session, bridge.Found, error) {
	return m.s.lookupText(ctx, token)
}

// Renew is [Store.Renew]. Store.renew explains announced.
func (m middlewareCalls) Renew(ctx context.Context, id ID, announced bool) (Session, error) {
	return m.s.renew(ctx, id, announced)
}

// Update is [Store.Update] or [Store.UpdateDurable]. Store.renew explains announced.
func (m middlewareCalls) Update(ctx context.Context, id ID, c *Changes, durable, announced bool) (Session, error) {
	return m.s.update(ctx, id, c, durable, announced)
}

// AnnouncedAge returns how old the session was at the last access that was announced to its client.
// It only knows accesses through this process.
func (middlewareCalls) AnnouncedAge(s Session) time.Duration {
	return time.Duration(s.v().Announced-s.v().CreatedAt) * time.Microsecond
}

// EndReason returns why the session has ended that a refused token opened last. It returns "" if the
// store does not know.
func (m middlewareCalls) EndReason(token string) EndReason {
	raw, ok := parseToken(token)
	if !ok {
		return ""
	}
	h, now := raw.hash(), m.s.clock.micros()
	if v := m.s.actor.Peek(&h, now); v != nil && !v.ActiveAt(now) {
		return EndReason(v.Expiry(now))
	}
	return EndReason(m.s.actor.EndOfToken(h))
}

// Emit passes an event to Config.Events.
func (m middlewareCalls) Emit(e Event) { m.s.emit(e) }

// Warn writes a line to the store's log.
func (m middlewareCalls) Warn(message string, id ID, mode string) {
	m.s.log.Warn(message, zap.Stringer("session", id), zap.String("mode", mode))
}
