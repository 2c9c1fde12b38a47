package scs

import (
	"context"
	"errors"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// Load returns a context with the session data of a token, or with empty data if the token opens
// nothing. An API token opens nothing here. Load is for programs without LoadAndSave. It returns a
// context that has session data as it is. An error means that the store failed.
func (s *SessionManager) Load(ctx context.Context, token string) (context.Context, error) {
	if _, ok := ctx.Value(s).(*sessionData); ok {
		return ctx, nil
	}
	b := &inStore{store: s.store}
	now, err := s.lookup(ctx, token)
	switch {
	case err == nil:
		b.now = now
		b.key, _ = sessile.ParseToken(token) // cannot fail: the lookup has accepted it
	case !errors.Is(err, sessile.ErrNotFound):
		return nil, err
	}
	return s.with(ctx, b)
}

// lookup is Store.Lookup that refuses API tokens: only the Authorization header may bring them.
func (s *SessionManager) lookup(ctx context.Context, token string) (sessile.Session, error) {
	now, err := s.store.Lookup(ctx, token)
	if err == nil && now.IsAPIToken() {
		return sessile.Session{}, sessile.ErrNotFound
	}
	return now, err
}

// with adds the data of a session to a context.
func (s *SessionManager) with(ctx context.Context, b session) (context.Context, error) {
	d := &sessionData{behind: b}
	if err := s.load(ctx, d); err != nil {
		return nil, err
	}
	return context.WithValue(ctx, s, d), nil
}

// Commit writes the session data and returns the token and the end of the session. A new session is
// on disk when Commit returns nil. A change is in memory, and on disk within the store's
// BatchInterval. Without data, or if the session has ended meanwhile, there is no session: the token
// is "" and nothing is written.
func (s *SessionManager) Commit(ctx context.Context) (token string, expiry time.Time, err error) {
	d := s.lock(ctx)
	d.mu.Unlock()
	if err := s.commit(ctx, d); err != nil {
		return "", time.Time{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.behind.flush(ctx); err != nil {
		return "", time.Time{}, err
	}
	d.settle()
	now, ok := d.behind.current()
	if !ok {
		return "", time.Time{}, nil
	}
	return d.behind.token(), earlier(now.ExpiresAt(), d.deadline), nil
}

// Destroy ends the session. Its deletion is on disk (fsync) when Destroy returns nil. After
// [sessile.ErrNotDurable] the session is refused, and the store keeps trying. What is put afterwards
// begins a new session. Sessions of [SessionManager.MergeSession] end too.
func (s *SessionManager) Destroy(ctx context.Context) error {
	d := s.lock(ctx)
	defer d.mu.Unlock()
	err := d.behind.end(ctx)
	if err == nil || errors.Is(err, sessile.ErrNotDurable) {
		d.forget()
		err = errors.Join(err, s.endMerged(ctx, d))
	}
	return err
}

// RenewToken replaces the token. The new one is on disk (fsync) when RenewToken returns nil. Unlike
// scs, it does not extend the session: an absolute timeout that each login restarts is none (OWASP
// ASVS 7.3.2). A login begins a new session, with a new lifetime, by itself.
func (s *SessionManager) RenewToken(ctx context.Context) error {
	d := s.lock(ctx)
	defer d.mu.Unlock()
	if err := d.behind.rotate(ctx); err != nil {
		return err
	}
	d.status = Modified
	return nil
}

// Status returns what has happened to the session data.
func (s *SessionManager) Status(ctx context.Context) Status {
	d := s.lock(ctx)
	defer d.mu.Unlock()
	return d.status
}

// RememberMe says whether the cookie outlives the browser. It counts only if Cookie.Persist is
// false. For a session that exists it replaces the token, so that the browser gets the other kind of
// cookie.
func (s *SessionManager) RememberMe(ctx context.Context, val bool) {
	d := s.lock(ctx)
	defer d.mu.Unlock()
	if d.status = Modified; d.values[rememberKey] != val {
		d.put(rememberKey, val)
	}
}

// Deadline returns the end of the session regardless of use.
func (s *SessionManager) Deadline(ctx context.Context) time.Time {
	d := s.lock(ctx)
	defer d.mu.Unlock()
	end := s.store.Now().Add(s.Lifetime)
	if now, ok := d.behind.current(); ok {
		end = now.Deadline()
	} else if !d.deadline.IsZero() {
		return d.deadline
	}
	return earlier(end, d.deadline)
}

// SetDeadline sets the end of the session regardless of use. With a login in the same request it is
// the end of the new session, at most the store's MaxLifetime. A session that exists, or a guest's,
// can only end earlier than before, because nothing extends the absolute timeout of a session in the
// store. Such an end counts for this package, not for a [middleware.Handle].
func (s *SessionManager) SetDeadline(ctx context.Context, expire time.Time) {
	d := s.lock(ctx)
	defer d.mu.Unlock()
	d.deadline, d.status = expire.UTC(), Modified
}

// Token returns the token, or "" before the session exists. Inside [SessionManager.Iterate] it is
// always "", because the store keeps no tokens.
func (s *SessionManager) Token(ctx context.Context) string {
	d := s.lock(ctx)
	defer d.mu.Unlock()
	return d.behind.token()
}

// Login returns the login of a session with these values, as scs had them. It is for
// [middleware.Options.Adopt]; set Login.Confirm. The user is the value of UserKey.
func (s *SessionManager) Login(values map[string]any) (middleware.Login, error) {
	data, err := s.encode(values)
	l := middleware.Login{UserID: s.userOf(values), Data: data}
	l.TTL, l.MaxLifetime = s.lifetimes(s.Lifetime)
	return l, err
}

// earlier returns the earlier of two times that are not zero.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
