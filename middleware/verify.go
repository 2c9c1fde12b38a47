package middleware

import (
	"context"
	"net/http"
)

// Verify lets only requests through whose session the database confirms. It is for the most
// sensitive routes of an application that runs on several nodes: without it a node may serve a
// session for a lease (a second by default) after another node has ended it, if the feed
// between them is silent. Others get 401, or go to loginPath as with [RequireUser].
//
// It costs a read of the database for each request. Over a backend that no other node writes
// it costs nothing. If the read fails, Options.ErrorHandler answers.
func Verify(loginPath string) func(http.Handler) http.Handler {
	has := guard(loginPath, http.StatusUnauthorized, func(h *Handle) bool {
		_, ok := h.Current()
		return ok
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

// verify takes the session as the database has it, or its end. Its error says that the
// database could not be asked.
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
