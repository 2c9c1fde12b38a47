package scs

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// inRequest is the session of a request behind the middleware, which writes the changes and the
// cookie when the response begins.
type inRequest struct{ h *middleware.Handle }

func (b *inRequest) current() (sessile.Session, bool) { return b.h.Current() }

func (b *inRequest) token() string {
	t, _ := b.h.Token()
	return t.Reveal()
}

func (b *inRequest) replace(ctx context.Context, n sessile.NewSession, confirm func(context.Context) error) error {
	if n.UserID != "" {
		return b.h.Login(ctx, middleware.Login{UserID: n.UserID, Data: n.Data, TTL: n.TTL, MaxLifetime: n.MaxLifetime, Confirm: confirm})
	}
	if err := b.h.Logout(ctx); err != nil {
		return err
	}
	return b.change(ctx, n.Data.(map[string]json.RawMessage)) //nolint:errcheck,forcetypeassert // our own
}

func (b *inRequest) change(_ context.Context, changed map[string]json.RawMessage) error {
	for key, raw := range changed {
		var err error
		if raw == nil {
			err = b.h.Delete(key)
		} else {
			err = b.h.Set(key, raw)
		}
		switch {
		case errors.Is(err, middleware.ErrNoSession): // a parallel request ended the session, or another site sent this one
			return nil
		case err != nil:
			return err
		}
	}
	return nil
}

func (b *inRequest) flush(ctx context.Context) error {
	err := b.h.Save(ctx)
	if errors.Is(err, sessile.ErrNotFound) { // a parallel request ended the session, and wins
		return nil
	}
	return err
}

func (b *inRequest) rotate(ctx context.Context) error {
	if err := b.h.Rotate(ctx); !errors.Is(err, middleware.ErrNoSession) {
		return err
	}
	return nil // the new session gets a new token in any case
}

func (b *inRequest) end(ctx context.Context) error { return b.h.Logout(ctx) }

// inStore is the session of a token without a request. Its changes are in the store at once.
type inStore struct {
	store *sessile.Store
	now   sessile.Session // zero: none
	key   sessile.Token   // zero: unknown
}

func (b *inStore) current() (sessile.Session, bool) { return b.now, !b.now.IsZero() }

func (b *inStore) token() string { return b.key.Reveal() }

func (b *inStore) replace(ctx context.Context, n sessile.NewSession, confirm func(context.Context) error) error {
	now, token, err := b.store.CreateWith(ctx, n)
	if err != nil {
		return err
	}
	if confirm != nil {
		err = confirm(ctx)
	}
	if err == nil {
		err = b.end(ctx)
	}
	if err != nil {
		return errors.Join(err, b.store.Destroy(ctx, now.ID()))
	}
	b.now, b.key = now, token
	return nil
}

func (b *inStore) change(ctx context.Context, changed map[string]json.RawMessage) error {
	c := new(sessile.Changes)
	for key, raw := range changed {
		if raw == nil {
			c.Delete(key)
		} else {
			c.Set(key, raw)
		}
	}
	return b.take(b.store.Update(ctx, b.now.ID(), c))
}

func (b *inStore) flush(context.Context) error { return nil }

func (b *inStore) rotate(ctx context.Context) error {
	if b.now.IsZero() {
		return nil
	}
	now, token, err := b.store.Rotate(ctx, b.now.ID(), sessile.Rotation{From: b.key})
	if err == nil {
		b.now, b.key = now, token
	}
	return err
}

func (b *inStore) end(ctx context.Context) error {
	if b.now.IsZero() {
		return nil
	}
	err := b.store.Destroy(ctx, b.now.ID())
	if err == nil || errors.Is(err, sessile.ErrNotDurable) {
		b.now, b.key = sessile.Session{}, sessile.Token{}
	}
	return err
}

// take keeps the session as a change left it. If it has ended meanwhile, the change is dropped.
func (b *inStore) take(now sessile.Session, err error) error {
	if errors.Is(err, sessile.ErrNotFound) {
		b.now, b.key = sessile.Session{}, sessile.Token{}
		return nil
	}
	if err == nil {
		b.now = now
	}
	return err
}
