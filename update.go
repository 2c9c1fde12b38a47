package sessile

import (
	"context"
	"fmt"
	"time"

	"github.com/sessile/sessile/persist"
)

// Flush replaces a session's data and both of its times: the last activity becomes now, and the
// expiry becomes expiresAt.
//
//   - If now is before the last activity, neither time changes.
//   - If now is in the future, by [Store.Now], the present counts.
//   - The expiry never exceeds the deadline.
//
// The last of several parallel flushes wins. Use [Store.Update] to change single keys.
//
// The change is in memory when Flush returns nil, and on disk within Config.BatchInterval. If
// several nodes share the backend, it is on the database when Flush returns nil.
//
// Errors: [ErrNotFound], [ErrExpired], [ErrInvalidData], [ErrDataTooLarge], [ErrInvalidTime],
// [ErrOverloaded], [ErrClosed] and the context's. If the session is not in memory, also
// [ErrUnavailable] and [ErrCorrupt].
func (s *Store) Flush(ctx context.Context, id ID, data any, now, expiresAt time.Time) error {
	return s.flush(ctx, id, data, now, expiresAt, false)
}

// FlushDurable is [Store.Flush] that is on disk (fsync) when it returns nil. Use it for changes of
// privilege. If the write fails, with [ErrUnavailable] or [ErrUnknown], or ctx ends first, the
// change stays in memory and its write is retried. If several nodes share the backend, FlushDurable
// is Flush: after an error the store keeps nothing, and after ErrUnknown the change may be on the
// database.
func (s *Store) FlushDurable(ctx context.Context, id ID, data any, now, expiresAt time.Time) error {
	return s.flush(ctx, id, data, now, expiresAt, true)
}

func (s *Store) flush(ctx context.Context, id ID, data any, now, expiresAt time.Time, durable bool) error {
	if s.closed.Load() {
		return ErrClosed
	}
	at, expires, err := times(now, expiresAt)
	if err != nil {
		return err
	}
	doc, err := encodeData(data, s.cfg.MaxDataBytes)
	if err != nil {
		return err
	}
	if err := s.actor.Flush(ctx, persist.ID(id), doc, at, expires, durable); err != nil {
		return fmt.Errorf("flushing session %s: %w", id, err)
	}
	return nil
}

// Touch records an access: it sets both times, by the rules of [Store.Flush]. They are in memory
// when Touch returns nil, and on disk within Config.BatchInterval. If too many changes wait for the
// disk, the store drops the access without an error. If several nodes share the backend, it also
// drops an access that is not written yet when the session changes elsewhere or the feed is cut.
func (s *Store) Touch(ctx context.Context, id ID, now, expiresAt time.Time) error {
	if s.closed.Load() {
		return ErrClosed
	}
	at, expires, err := times(now, expiresAt)
	if err != nil {
		return err
	}
	if _, err := s.actor.Touch(ctx, persist.ID(id), at, expires); err != nil {
		return fmt.Errorf("touching session %s: %w", id, err)
	}
	return nil
}

// Renew is [Store.Touch] at the present time, with the session's own TTL. It returns the renewed
// session.
func (s *Store) Renew(ctx context.Context, id ID) (Session, error) {
	return s.renew(ctx, id, false)
}

// renew renews a session. announced says that the response tells the client the new end of the
// session, as the Max-Age of a cookie does.
func (s *Store) renew(ctx context.Context, id ID, announced bool) (Session, error) {
	if s.closed.Load() {
		return Session{}, ErrClosed
	}
	v, err := s.actor.Access(ctx, persist.ID(id), announced)
	if err != nil {
		return Session{}, fmt.Errorf("renewing session %s: %w", id, err)
	}
	return Session{view: v}, nil
}

// Update changes single keys of a session's data and returns the changed session. Calls apply in
// the order in which they arrive, so parallel requests of one session keep each other's keys. An
// update counts as an access: it renews the session.
//
// The change is in memory when Update returns nil, and on disk within Config.BatchInterval. The
// errors are those of [Store.Flush].
//
// If several nodes share the backend, the change is on the database when Update returns nil. If
// another node has changed the session meanwhile, Update reads it again and applies the changes to
// that. After four conflicts it returns [ErrConflict], and nothing is changed.
func (s *Store) Update(ctx context.Context, id ID, c *Changes) (Session, error) {
	return s.update(ctx, id, c, false, false)
}

// UpdateDurable is [Store.Update] that is on disk (fsync) when it returns nil. If the write fails,
// with [ErrUnavailable] or [ErrUnknown], or ctx ends first, the change stays in memory and its write
// is retried.
func (s *Store) UpdateDurable(ctx context.Context, id ID, c *Changes) (Session, error) {
	return s.update(ctx, id, c, true, false)
}

func (s *Store) update(ctx context.Context, id ID, c *Changes, durable, announced bool) (Session, error) {
	if s.closed.Load() {
		return Session{}, ErrClosed
	}
	list, err := c.list()
	if err != nil {
		return Session{}, err
	}
	v, err := s.actor.Update(ctx, persist.ID(id), list, s.cfg.MaxDataBytes, durable, announced)
	if err != nil {
		return Session{}, fmt.Errorf("updating session %s: %w", id, err)
	}
	return Session{view: v}, nil
}

// times converts the two times of an access.
func times(now, expiresAt time.Time) (at, expires int64, err error) {
	if at, err = micros(now); err != nil {
		return 0, 0, fmt.Errorf("time of the access: %w", err)
	}
	if expires, err = micros(expiresAt); err != nil {
		return 0, 0, fmt.Errorf("expiry: %w", err)
	}
	return at, expires, nil
}
