package scs

import (
	"context"

	"github.com/sessile/sessile"
)

// Iterate calls fn with the session data of each active session, the newest first. It reads the store
// in pages and keeps none of them. fn can read, [SessionManager.Put] and then
// [SessionManager.Commit], or [SessionManager.Destroy]. Iterate ends at the first error of fn, and
// returns it.
func (s *SessionManager) Iterate(ctx context.Context, fn func(context.Context) error) error {
	var q sessile.Query
	for {
		page, err := s.store.Search(ctx, q)
		if err != nil {
			return err
		}
		for _, now := range page.Sessions {
			ctx, err := s.with(ctx, &inStore{store: s.store, now: now})
			if err != nil {
				return err
			}
			if err := fn(ctx); err != nil {
				return err
			}
		}
		if q.After = page.Next; q.After == "" {
			return nil
		}
	}
}
