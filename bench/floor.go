package bench

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
)

// floorClient is the minimum that every server-side session needs: find the cookie, hash the token, look it
// up, put it into the context. It has no expiry, no disk and no limits. A request costs two objects: its context,
// and the copy of the request that carries it.
type floorClient struct{ sessions sync.Map }

type floorSession struct {
	mu   sync.Mutex
	user string
	data map[string]string
}

type floorKey struct{}

// floorRequest is the context of a request.
type floorRequest struct {
	context.Context //nolint:containedctx // it is a context
	w               http.ResponseWriter
	s               *floorSession
	h               [32]byte
}

// Value returns the request itself for floorKey.
func (x *floorRequest) Value(key any) any {
	if key == (floorKey{}) {
		return x
	}
	return x.Context.Value(key)
}

func (c *floorClient) CookieName() string { return "session" }

func (c *floorClient) Wrap(app http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &floorRequest{Context: r.Context(), w: w}
		var raw [32]byte
		if n, err := base64.RawURLEncoding.Decode(raw[:], []byte(floorCookie(r))); err == nil && n == len(raw) {
			x.h = sha256.Sum256(raw[:])
			if s, ok := c.sessions.Load(x.h); ok {
				x.s, _ = s.(*floorSession)
			}
		}
		app.ServeHTTP(w, r.WithContext(x))
	})
}

// floorCookie returns the value of the cookie, without the checks and the objects of net/http. It is "" if it is longer than a token.
func floorCookie(r *http.Request) string {
	const length = 43
	for _, line := range r.Header["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			if value, ok := strings.CutPrefix(strings.TrimLeft(pair, " "), "session="); ok && len(value) == length {
				return value
			}
		}
	}
	return ""
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
