package sessile

import (
	"context"
	"fmt"
	"time"

	"github.com/sessile/sessile/persist"
)

// Flush replaces a session's data and both times. The last activity never goes
// back, and a now before it leaves both times alone; a now in the future, by
// [Store.Now], is the present; the expiry never passes the absolute deadline. Of parallel flushes the last one wins; use [Store.Update]
// to change single keys.
//
// It is in memory when Flush returns, on disk within Config.BatchInterval.
// Errors: [ErrNotFound], [ErrExpired], [ErrInvalidData], [ErrDataTooLarge],
// [ErrInvalidTime], [ErrOverloaded].
func (s *Store) Flush(ctx context.Context, id ID, data any, now, expiresAt time.Time) error {
	return s.flush(ctx, id, data, now, expiresAt, false)
}

// FlushDurable is [Store.Flush], on disk (fsync) when it returns nil: for changes
// of privilege. After an error the change is in memory and its write is retried.
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

// Touch records an access: both times, by the rules of [Store.Flush]. It is in
// memory when Touch returns, on disk within Config.BatchInterval. When too many
// changes wait for the disk it is dropped without an error.
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

// Renew is [Store.Touch] now, for the session's own sliding lifetime. It returns
// the session as it is then.
func (s *Store) Renew(ctx context.Context, id ID) (Session, error) {
	return s.renew(ctx, id, false)
}

// renew renews a session. The access is announced if the answer tells the client how long
// the session lives from now on, as the Max-Age of its cookie does.
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

// Update applies changes to single keys of a session's data, in the order in
// which calls arrive, so that parallel requests of one session do not lose each
// other's keys. It counts as an access: last activity is now, and the expiry
// slides by the session's own lifetime.
//
// It is in memory when Update returns, on disk within Config.BatchInterval.
// Errors: as for [Store.Flush].
func (s *Store) Update(ctx context.Context, id ID, c *Changes) (Session, error) {
	return s.update(ctx, id, c, false, false)
}

// UpdateDurable is [Store.Update], on disk (fsync) when it returns nil. After an
// error the change is in memory and its write is retried.
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

// times checks the two times of an access.
func times(now, expiresAt time.Time) (at, expires int64, err error) {
	if at, err = micros(now); err != nil {
		return 0, 0, fmt.Errorf("time of the access: %w", err)
	}
	if expires, err = micros(expiresAt); err != nil {
		return 0, 0, fmt.Errorf("expiry: %w", err)
	}
	return at, expires, nil
}
