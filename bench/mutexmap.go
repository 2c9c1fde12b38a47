package bench

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"sync"
	"testing"
)

// mapClient is what many people write first: a map with a mutex, keyed by the token.
type mapClient struct {
	mu       sync.Mutex
	sessions map[string]map[string]string
}

type mapKey struct{}

type mapRequest struct {
	w     http.ResponseWriter
	token string
}

func newMap(testing.TB, options) client {
	return &mapClient{sessions: make(map[string]map[string]string)}
}

func (c *mapClient) CookieName() string { return "session" }

func (c *mapClient) Wrap(app http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &mapRequest{w: w}
		if k, err := r.Cookie("session"); err == nil {
			x.token = k.Value
		}
		app.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), mapKey{}, x)))
	})
}

func mapOf(ctx context.Context) *mapRequest {
	x, _ := ctx.Value(mapKey{}).(*mapRequest)
	return x
}

func (c *mapClient) Login(ctx context.Context, user string) error {
	x := mapOf(ctx)
	var raw [32]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return err
	}
	x.token = base64.RawURLEncoding.EncodeToString(raw[:])
	c.mu.Lock()
	c.sessions[x.token] = map[string]string{"user": user}
	c.mu.Unlock()
	http.SetCookie(x.w, &http.Cookie{Name: "session", Value: x.token, HttpOnly: true})
	return nil
}

func (c *mapClient) User(ctx context.Context) string { return c.Get(ctx, "user") }

func (c *mapClient) Set(ctx context.Context, key, value string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.sessions[mapOf(ctx).token]; s != nil {
		s[key] = value
	}
	return nil
}

func (c *mapClient) Get(ctx context.Context, key string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessions[mapOf(ctx).token][key]
}

func (c *mapClient) Logout(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.sessions, mapOf(ctx).token)
	return nil
}
