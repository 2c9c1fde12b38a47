package bench

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
)

// scsClient is alexedwards/scs with one of its stores.
type scsClient struct{ m *scs.SessionManager }

func newSCS(store scs.Store, o options) client {
	m := scs.New()
	m.Store = store
	if o.touch {
		m.IdleTimeout = 24 * time.Hour // makes scs save on every request
	}
	return &scsClient{m}
}

// newSCSMemory stores nothing on disk.
func newSCSMemory(_ testing.TB, o options) client {
	return newSCS(memstore.NewWithCleanupInterval(0), o)
}

func (c *scsClient) Wrap(app http.Handler) http.Handler { return c.m.LoadAndSave(app) }
func (c *scsClient) CookieName() string                 { return c.m.Cookie.Name }

func (c *scsClient) Login(ctx context.Context, user string) error {
	c.m.Put(ctx, "user", user)
	return c.m.RenewToken(ctx)
}

func (c *scsClient) User(ctx context.Context) string { return c.m.GetString(ctx, "user") }

func (c *scsClient) Set(ctx context.Context, key, value string) error {
	c.m.Put(ctx, key, value)
	return nil
}

func (c *scsClient) Get(ctx context.Context, key string) string { return c.m.GetString(ctx, key) }
func (c *scsClient) Logout(ctx context.Context) error           { return c.m.Destroy(ctx) }
