package middleware

import (
	"context"
	"net/http"
)

// Verify allows only requests whose session the database confirms. Use it for the most sensitive
// routes of an application that runs on several nodes. Without it, while the feed between the nodes
// is silent, a node may serve a session for one more lease (a second by default) after another node
// has ended it. Other requests get 401, or are redirected to loginPath as by [RequireUser].
//
// Verify costs a read of the database for each request, or nothing if no other node writes. If the
// read fails, Options.ErrorHandler answers.
func Verify(loginPath string) func(http.Handler) http.Handler {
	has := guard(func(h *Handle) *Denial {
		if _, ok := h.Current(); ok {
			return nil
		}
		return &Denial{Reason: DeniedNoUser, Status: http.StatusUnauthorized, Page: loginPath}
	})
	return func(next http.Handler) http.Handler {
		next = has(next)
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			h := FromRequest(r)
			if err := h.verify(r.Context()); err != nil {
				h.m.fail(w, r, err, nil)
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// verify takes over the session from the database, or its end. An error means that the database did
// not answer.
func (h *Handle) verify(ctx context.Context) error {
	h.enter()
	defer h.mu.Unlock()
	if h.m == nil || !h.has() {
		return nil
	}
	s, err := h.m.store.Verify(ctx, h.cur.token())
	if err == nil {
		h.cur.session = s
		return nil
	}
	_ = h.unlessEnded(err)
	if h.presence == gone {
		return nil
	}
	return err
}
