package bench

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"sync"
)

// floorClient is the minimum that every server-side session needs: find the cookie, hash the token, look it
// up, put it into the context. It has no expiry, no disk and no limits.
type floorClient struct{ sessions sync.Map }

type floorSession struct {
	mu   sync.Mutex
	user string
	data map[string]string
}

type floorKey struct{}

type floorRequest struct {
	w http.ResponseWriter
	s *floorSession
	h [32]byte
}

func (c *floorClient) CookieName() string { return "session" }

func (c *floorClient) Wrap(app http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &floorRequest{w: w}
		if k, err := r.Cookie("session"); err == nil {
			var raw [32]byte
			if n, err := base64.RawURLEncoding.Decode(raw[:], []byte(k.Value)); err == nil && n == len(raw) {
				x.h = sha256.Sum256(raw[:])
				if s, ok := c.sessions.Load(x.h); ok {
					x.s, _ = s.(*floorSession)
				}
			}
		}
		app.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), floorKey{}, x)))
	})
}

func floorOf(ctx context.Context) *floorRequest {
	x, _ := ctx.Value(floorKey{}).(*floorRequest)
	return x
}

func (c *floorClient) Login(ctx context.Context, user string) error {
	var raw [32]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return err
	}
	x := floorOf(ctx)
	x.s, x.h = &floorSession{user: user, data: map[string]string{}}, sha256.Sum256(raw[:])
	c.sessions.Store(x.h, x.s)
	http.SetCookie(x.w, &http.Cookie{Name: "session", Value: base64.RawURLEncoding.EncodeToString(raw[:]), HttpOnly: true})
	return nil
}

func (c *floorClient) User(ctx context.Context) string {
	if s := floorOf(ctx).s; s != nil {
		return s.user
	}
	return ""
}

func (c *floorClient) Set(ctx context.Context, key, value string) error {
	s := floorOf(ctx).s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data[key] = value
	return nil
}

func (c *floorClient) Get(ctx context.Context, key string) string {
	s := floorOf(ctx).s
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.data[key]
}

func (c *floorClient) Logout(ctx context.Context) error {
	c.sessions.Delete(floorOf(ctx).h)
	return nil
}
