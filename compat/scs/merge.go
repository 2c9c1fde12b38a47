package scs

import (
	"context"
	"errors"

	"github.com/sessile/sessile"
)

// errMergedEnded refuses a login that only a merged session proved.
var errMergedEnded = errors.New("scs: the merged session has ended")

// MergeSession adds the data of another session. The commit ends that session after it has stored the
// data. A token that opens nothing, or an API token, is not an error.
//
// If the other session belongs to a user, the commit logs that user in. It does not, and drops the
// session data, if the other session has ended meanwhile. With a limit of one session per user the
// login itself ends the other session, so there it never logs in.
func (s *SessionManager) MergeSession(ctx context.Context, token string) error {
	d := s.lock(ctx)
	defer d.mu.Unlock()
	other, err := s.lookup(ctx, token)
	if errors.Is(err, sessile.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if now, ok := d.behind.current(); ok && now.ID() == other.ID() {
		return nil
	}
	merged := make(map[string]any)
	if err := s.decode(other, merged); err != nil {
		return err
	}
	if user := other.UserID(); user != "" { // the login may come from elsewhere, such as Handle.Login
		s.setUser(merged, user)
	}
	from, _ := sessile.ParseToken(token) // cannot fail: the lookup has accepted it
	for key, v := range merged {
		d.values[key], d.changed[key] = v, from
	}
	d.status, d.merged = Modified, append(d.merged, other.ID())
	return nil
}

// confirm returns the check of a login whose user comes from a merged session, or nil if the program
// has put the user. It runs when the new session exists:
//
//  1. Request A merges a session of alice.
//  2. Alice ends all her sessions.
//  3. A creates a session of alice.
//
// Either step 2 ends the session of step 3, or the check finds that the merged session has ended.
func (s *SessionManager) confirm(from sessile.Token) func(context.Context) error {
	if from.IsZero() {
		return nil
	}
	return func(ctx context.Context) error {
		_, err := s.store.Verify(ctx, from)
		if errors.Is(err, sessile.ErrNotFound) {
			return errMergedEnded
		}
		return err
	}
}

// keepMerged makes the merged sessions the latest of their users, on disk, so that a login which
// exceeds the limit of sessions does not evict them: confirm needs them.
func (s *SessionManager) keepMerged(ctx context.Context, d *sessionData) error {
	for _, id := range d.merged {
		if _, err := s.store.Renew(ctx, id); err != nil && !errors.Is(err, sessile.ErrNotFound) {
			return err
		}
	}
	return s.store.Sync(ctx)
}

// endMerged ends the sessions that were merged, after their data is in the store. They stay if the
// session that got the data has ended meanwhile.
func (s *SessionManager) endMerged(ctx context.Context, d *sessionData) error {
	if len(d.merged) == 0 {
		return nil
	}
	if err := d.behind.flush(ctx); err != nil {
		return err
	}
	d.settle()
	if _, ok := d.behind.current(); !ok && len(d.values) > 0 {
		return nil
	}
	for _, id := range d.merged {
		if err := s.store.Destroy(ctx, id); err != nil && !errors.Is(err, sessile.ErrNotDurable) {
			return err
		}
	}
	d.merged = nil
	return nil
}
