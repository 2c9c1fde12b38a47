package suite

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/sessile/sessile/middleware"
)

// Std is a [Context] of net/http. It also serves routers that have no context of their own.
type Std struct {
	W http.ResponseWriter
	R *http.Request
}

// Session returns the session of the request.
func (c Std) Session() *middleware.Handle { return middleware.FromRequest(c.R) }

// Ctx returns the context of the request.
func (c Std) Ctx() context.Context { return c.R.Context() }

// Text writes a text.
func (c Std) Text(status int, text string) error {
	c.W.WriteHeader(status)
	_, err := io.WriteString(c.W, text)
	return err
}

// JSON writes a value.
func (c Std) JSON(status int, v any) error {
	c.W.Header().Set("Content-Type", "application/json")
	c.W.WriteHeader(status)
	return json.NewEncoder(c.W).Encode(v)
}

// Redirect redirects to another path.
func (c Std) Redirect(status int, to string) error {
	http.Redirect(c.W, c.R, to, status)
	return nil
}

// Status writes a status without a body.
func (c Std) Status(status int) error {
	c.W.WriteHeader(status)
	return nil
}

// Fail writes an error.
func (c Std) Fail(status int, err error) error {
	http.Error(c.W, err.Error(), status)
	return nil
}

// Stream writes and flushes line by line.
func (c Std) Stream(produce Producer) error { return Stream(c.W, produce) }

// Stream writes and flushes line by line.
func Stream(w http.ResponseWriter, produce Producer) error {
	w.Header().Set("Content-Type", "text/event-stream")
	return produce(func(line string) error {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
		return http.NewResponseController(w).Flush()
	})
}

// Handler returns the handler for routers that take net/http handlers.
func (r Route) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if err := r.Do(Std{w, req}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

// Middleware returns the guard for such routers.
func (g Guard) Middleware(next http.Handler) http.Handler {
	switch g {
	case UsersOnly:
		return middleware.RequireUser("")(next)
	case OwnGuard:
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if Refuse(middleware.FromRequest(r)) {
				http.Error(w, "refused", http.StatusUnauthorized)
				return
			}
			next.ServeHTTP(w, r)
		})
	default:
		return next
	}
}

// Recover answers a panic with 500, for frameworks without a recovery.
func Recover(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if recover() != nil {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}
