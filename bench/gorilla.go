package bench

import (
	"bytes"
	"context"
	"net/http"
	"testing"

	"github.com/gorilla/sessions"
)

// gorillaClient is gorilla/sessions. The application calls Save.
type gorillaClient struct{ store sessions.Store }

type gorillaKey struct{}

type gorillaRequest struct {
	w http.ResponseWriter
	r *http.Request
	s *sessions.Session
}

// newGorillaCookie stores the whole session in the signed cookie.
func newGorillaCookie(testing.TB, options) client {
	return &gorillaClient{sessions.NewCookieStore(bytes.Repeat([]byte{1}, 32))}
}

// newGorillaFiles stores one file per session, without fsync.
func newGorillaFiles(tb testing.TB, _ options) client {
	tb.Helper()
	return &gorillaClient{sessions.NewFilesystemStore(tb.TempDir(), bytes.Repeat([]byte{1}, 32))}
}

func (c *gorillaClient) CookieName() string { return "session" }

func (c *gorillaClient) Wrap(app http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		own := *r                            // a copy, because gorilla caches the session in the request, and requests are reused here
		s, _ := c.store.Get(&own, "session") // an invalid cookie gives a new session
		x := &gorillaRequest{w, &own, s}
		app.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), gorillaKey{}, x)))
	})
}

func gorillaOf(ctx context.Context) *gorillaRequest {
	x, _ := ctx.Value(gorillaKey{}).(*gorillaRequest)
	return x
}

func (c *gorillaClient) Login(ctx context.Context, user string) error {
	return c.Set(ctx, "user", user)
}

func (c *gorillaClient) User(ctx context.Context) string { return c.Get(ctx, "user") }

func (c *gorillaClient) Set(ctx context.Context, key, value string) error {
	x := gorillaOf(ctx)
	x.s.Values[key] = value
	x.w.Header().Del("Set-Cookie")
	return x.s.Save(x.r, x.w)
}

func (c *gorillaClient) Get(ctx context.Context, key string) string {
	v, _ := gorillaOf(ctx).s.Values[key].(string)
	return v
}

func (c *gorillaClient) Logout(ctx context.Context) error {
	x := gorillaOf(ctx)
	x.s.Options.MaxAge = -1
	return x.s.Save(x.r, x.w)
}
