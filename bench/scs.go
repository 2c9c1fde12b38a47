package bench

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"
	"github.com/alexedwards/scs/v2/memstore"
)

// scsClient is alexedwards/scs with one of its stores.
type scsClient struct {
	m    *scs.SessionManager
	load func(map[string][]byte, time.Time) // stores many sessions at once, nil = one after the other
	disk *countingStore                     // nil if nothing reaches a disk
}

// newSCS is scs with its gob codec, which is its default.
func newSCS(store scs.Store, o options) *scsClient {
	m := scs.New()
	m.Store = store
	if o.touch {
		m.IdleTimeout = 24 * time.Hour // makes scs save on every request
	}
	return &scsClient{m: m}
}

// withJSON replaces the codec of a contestant that is scs.
func withJSON(open func(testing.TB, options) client) func(testing.TB, options) client {
	return func(tb testing.TB, o options) client {
		tb.Helper()
		c := open(tb, o)
		if x, ok := c.(*scsClient); ok {
			x.m.Codec = jsonCodec{}
		}
		return c
	}
}

// jsonCodec stores what the gob codec stores as JSON, as Sessile does.
type jsonCodec struct{}

type jsonSession struct {
	Deadline time.Time
	Values   map[string]any
}

// Encode implements scs.Codec.
func (jsonCodec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	return json.Marshal(jsonSession{deadline, values})
}

// Decode implements scs.Codec.
func (jsonCodec) Decode(b []byte) (time.Time, map[string]any, error) {
	var x jsonSession
	err := json.Unmarshal(b, &x)
	return x.Deadline, x.Values, err
}

// newSCSMemory stores nothing on disk.
func newSCSMemory(_ testing.TB, o options) client {
	return newSCS(memstore.NewWithCleanupInterval(0), o)
}

// inBulk collects the sessions that logIn creates in memory, and then stores all of them at once.
func (c *scsClient) inBulk(logIn func()) {
	if c.load == nil {
		logIn()
		return
	}
	store, memory := c.m.Store, memstore.NewWithCleanupInterval(0)
	c.m.Store = memory
	logIn()
	c.m.Store = store
	all, _ := memory.All() // it returns no error
	c.load(all, time.Now().Add(c.m.Lifetime))
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
