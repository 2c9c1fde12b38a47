package postgres_test

import (
	"context"
	"errors"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/sessile/sessile"
	"github.com/sessile/sessile/internal/behaviour"
	"github.com/sessile/sessile/persist"
	"github.com/sessile/sessile/persist/postgres"
)

func TestStoreBehavesAsOverEveryBackend(t *testing.T) { behaviour.Run(t, withClock) }

// withClock makes a store whose database has a clock that the test sets: a function clock_timestamp that
// is found before that of the server.
func withClock(t *testing.T) behaviour.Backend {
	t.Helper()
	cfg := fresh(t)
	clock := shared.Schema(t)
	shared.Exec(t, `CREATE SCHEMA `+clock,
		`CREATE TABLE `+clock+`.clock AS SELECT now() AS shows`,
		`CREATE FUNCTION `+clock+`.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS 'SELECT shows FROM `+clock+`.clock'`)
	cfg.URL = with(t, cfg.URL, "search_path", clock+",pg_catalog")
	return behaviour.Backend{
		Open: func(c sessile.Config) (*sessile.Store, error) {
			db, err := postgres.Open(t.Context(), cfg)
			if err != nil {
				return nil, err
			}
			return listening(db, c)
		},
		SetClock: func(now time.Time) {
			shared.Exec(t, `UPDATE `+clock+`.clock SET shows = '`+now.Format(time.RFC3339Nano)+`'`)
		},
	}
}

// listening starts a store, and returns it when it has heard the other nodes. A node that begins to listen
// drops its memory, with the accesses that it has not written yet.
func listening(db *postgres.DB, cfg sessile.Config) (*sessile.Store, error) {
	f := feed{DB: db, fresh: make(chan struct{})}
	s, err := sessile.New(f, cfg)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	<-f.fresh
	return s, nil
}

// feed is a database that says when its node has heard the others.
type feed struct {
	*postgres.DB
	fresh chan struct{}
}

// Watch tells the node what the others do.
func (f feed) Watch(ctx context.Context, s persist.Sink) error {
	return f.DB.Watch(ctx, hearing{s, sync.OnceFunc(func() { close(f.fresh) })})
}

// hearing is what a node hears.
type hearing struct {
	persist.Sink
	first func()
}

// Fresh passes the news on.
func (h hearing) Fresh(at persist.Instant) {
	h.Sink.Fresh(at)
	h.first()
}

// with adds a setting to a connection URL.
func with(t *testing.T, connection, name, value string) string {
	t.Helper()
	u, err := url.Parse(connection)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(name, value)
	u.RawQuery = q.Encode()
	return u.String()
}
