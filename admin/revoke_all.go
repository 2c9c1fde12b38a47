package admin

import (
	"context"

	"github.com/sessile/sessile"
)

// revokeAll ends every session that exists when it begins. The walk goes from the newest to the
// oldest, and lists no session that began later.
func (h *handler) revokeAll(ctx context.Context, _ target) (outcome, error) {
	var out outcome
	for q := (sessile.Query{Limit: maxLimit}); ; {
		page, err := h.store.Search(ctx, q)
		if err != nil {
			return out, err
		}
		for _, s := range page.Sessions {
			if err := h.store.Destroy(ctx, s.ID()); err != nil {
				return out, err
			}
			out.Count++
		}
		if q.After = page.Next; q.After == "" {
			return out, nil
		}
	}
}
