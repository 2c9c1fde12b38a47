package bench

import (
	"context"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/middleware"
	_ "github.com/sessile/sessile/persist/sqlite" // registers the engine for sessile.Open
)

// sessileClient is Sessile with its defaults, on a real file.
type sessileClient struct {
	store    *sessile.Store
	sessions *middleware.Sessions
	path     string // of the file, "" without one
}

// sizeCache lets memory hold that many sessions, and those that log in meanwhile, if the default of
// 100,000 is not enough.
func sizeCache(cfg *sessile.Config, sessions int) {
	if sessions >= 100_000 {
		cfg.CacheSize, cfg.CacheBytes = 2*sessions, 4<<30
	}
}

func newSessile(tb testing.TB, o options) client {
	tb.Helper()
	return newLimited(tb, o, sessile.NoSessionLimit)
}

// newSessileLimited is Sessile with its default limit, ten sessions of a user.
func newSessileLimited(tb testing.TB, o options) client {
	tb.Helper()
	return newLimited(tb, o, 0)
}

func newLimited(tb testing.TB, o options, limit int) client {
	tb.Helper()
	cfg := sessile.Config{Path: filepath.Join(tb.TempDir(), "s.db"), MaxSessionsPerUser: limit}
	sizeCache(&cfg, o.sessions)
	if o.hot > 0 {
		cfg.CacheSize = o.hot
	}
	if o.touch {
		cfg.TouchInterval = time.Nanosecond // every request is a new access
	}
	store, err := sessile.Open(context.Background(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	c := onStore(tb, store)
	c.path = cfg.Path
	return c
}

// onStore is Sessile on a store, which it closes.
func onStore(tb testing.TB, store *sessile.Store) *sessileClient {
	tb.Helper()
	tb.Cleanup(func() {
		if err := store.Close(); err != nil {
			tb.Error(err)
		}
	})
	sessions, err := middleware.New(store, middleware.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	return &sessileClient{store: store, sessions: sessions}
}

func (c *sessileClient) Wrap(app http.Handler) http.Handler { return c.sessions.Handler(app) }
func (c *sessileClient) CookieName() string                 { return c.sessions.CookieName() }

func (c *sessileClient) Login(ctx context.Context, user string) error {
	return middleware.From(ctx).Authenticate(ctx, user)
}

// loginWith stores the data in the commit of the login.
func (c *sessileClient) loginWith(ctx context.Context, user string, data map[string]string) error {
	return middleware.From(ctx).Login(ctx, middleware.Login{UserID: user, Data: data})
}

func (c *sessileClient) User(ctx context.Context) string {
	user, _ := middleware.From(ctx).UserID()
	return user
}

func (c *sessileClient) Set(ctx context.Context, key, value string) error {
	return middleware.From(ctx).Set(key, value)
}

func (c *sessileClient) Get(ctx context.Context, key string) string {
	v, _, _ := middleware.Get[string](middleware.From(ctx), key) // check detects a wrong value before the measurement
	return v
}

func (c *sessileClient) Logout(ctx context.Context) error { return middleware.From(ctx).Logout(ctx) }

// reads returns how many sessions were looked up so far, and how many of them on disk.
func (c *sessileClient) reads() (all, cold uint64) {
	x := c.store.Stats()
	return x.Hits + x.ColdReads, x.ColdReads
}
