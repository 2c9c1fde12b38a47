package bench

import (
	"context"
	"net/http"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
)

// sessileClient is Sessile with its defaults, on a real file.
type sessileClient struct {
	store    *sessile.Store
	sessions *middleware.Sessions
}

func newSessile(path string) (*sessileClient, error) {
	store, err := sessile.Open(context.Background(), sessile.Config{Path: path, MaxSessionsPerUser: sessile.Unlimited, CacheSize: 200_000})
	if err != nil {
		return nil, err
	}
	sessions, err := middleware.New(store, middleware.Options{})
	return &sessileClient{store, sessions}, err
}

func (c *sessileClient) Wrap(app http.Handler) http.Handler { return c.sessions.Handler(app) }
func (c *sessileClient) CookieName() string                 { return "__Host-session" }

func (c *sessileClient) Login(ctx context.Context, user string) error {
	return middleware.From(ctx).Authenticate(ctx, user)
}

func (c *sessileClient) User(ctx context.Context) string {
	user, _ := middleware.From(ctx).UserID()
	return user
}

func (c *sessileClient) Set(ctx context.Context, key, value string) error {
	return middleware.From(ctx).Set(key, value)
}

func (c *sessileClient) Get(ctx context.Context, key string) string {
	v, _, _ := middleware.Get[string](middleware.From(ctx), key) // the check before the measurement sees a wrong value
	return v
}

func (c *sessileClient) Logout(ctx context.Context) error { return middleware.From(ctx).Logout(ctx) }
