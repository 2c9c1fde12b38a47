package bench

import (
	"context"
	"net/http"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
)

// scsClient is alexedwards/scs over its memory store, which keeps nothing on disk.
type scsClient struct{ m *scs.SessionManager }

func newSCSMemory() *scsClient {
	m := scs.New()
	m.Store = memstore.NewWithCleanupInterval(0)
	return &scsClient{m}
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
